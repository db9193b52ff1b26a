import t from 'tap';
import { crashed, deleted, role, running, serving } from './small-cluster.js';

t.test('a lost pod', async (t) => {
  const roles = [role('prefill', 2, { workerReplicas: 1 }), role('decode')];
  const cases = [
    { recoveryPolicy: 'None', goes: [] },
    { recoveryPolicy: 'RoleRecreate', goes: ['s-0-prefill-0-0'] },
    {
      recoveryPolicy: 'ServingGroupRecreate',
      goes: ['s-0-decode-0-0', 's-0-prefill-0-0', 's-0-prefill-1-0', 's-0-prefill-1-1'],
    },
  ] as const;
  for (const { recoveryPolicy, goes } of cases) {
    for (const how of ['terminates', 'vanishes'] as const) {
      t.test(`that ${how} under ${recoveryPolicy}`, async (t) => {
        const cluster = running(serving({ replicas: 2, recoveryPolicy, roles }));
        const before = cluster.names();
        const uids = new Map(before.map((name) => [name, cluster.uid(name)]));
        if (how === 'terminates') cluster.deletePod('s-0-prefill-0-1');
        else cluster.vanish('s-0-prefill-0-1');
        t.same(
          deleted(cluster).sort(),
          goes.map((name) => `${name} peer-lost`),
        );
        cluster.converge();
        t.same(cluster.names(), before, 'everything is back');
        const renewed = before.filter((name) => cluster.uid(name) !== uids.get(name));
        t.same(renewed, ['s-0-prefill-0-1', ...goes].sort(), 'and nothing else was restarted');
      });
    }
  }

  t.test('of a role instance that was scaled away does not recreate the group', async (t) => {
    const cluster = running(
      serving({ recoveryPolicy: 'ServingGroupRecreate', roles: [role('prefill'), role('decode', 2)] }),
    );
    cluster.editRoles((one) => ({ ...one, replicas: 1 }));
    cluster.round();
    cluster.dismissed.clear(); // a restart of the controller while the pod still drains
    t.same(deleted(cluster), []);
  });
});

t.test('a broken pod', async (t) => {
  t.test('is deleted after its grace, and its instance follows', async (t) => {
    const cluster = running(
      serving({ template: { restartGracePeriodSeconds: 60, roles: [role('p', 1, { workerReplicas: 1 })] } }),
    );
    cluster.setStatus('s-0-p-0-1', crashed(cluster.now));
    t.match(cluster.plan(), [{ do: 'wait', until: cluster.now + 60_000 }]);
    cluster.now += 60_000;
    t.same(deleted(cluster), ['s-0-p-0-1 broken']);
    cluster.round();
    t.same(deleted(cluster), ['s-0-p-0-0 peer-lost']);
  });

  t.test('is left alone when it is ready again, however often it restarted', async (t) => {
    const cluster = running(serving());
    cluster.setStatus('s-0-decode-0-0', { ...crashed(0), conditions: [{ type: 'Ready', status: 'True' }] });
    t.same(cluster.plan(), []);
  });

  t.test('that has Succeeded is no longer available and is replaced', async (t) => {
    const cluster = running(serving({ recoveryPolicy: 'None' }));
    cluster.setStatus('s-0-decode-0-0', { phase: 'Succeeded', conditions: [{ type: 'Ready', status: 'False' }] });
    t.equal(cluster.status().availableReplicas, 0);
    t.same(deleted(cluster), ['s-0-decode-0-0 broken']);
  });
});

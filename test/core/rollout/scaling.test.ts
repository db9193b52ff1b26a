import t from 'tap';
import { created, deleted, role, running, SmallCluster, serving } from './small-cluster.js';

t.test('scaling groups', async (t) => {
  t.test('up fills the lowest free ordinals', async (t) => {
    const cluster = running(serving({ replicas: 3, roles: [role('prefill')] }));
    for (const name of ['s-1-prefill-0-0']) cluster.pods.delete(name);
    t.same(created(cluster), ['1/prefill-0/0']);
  });

  t.test('down takes what is not ready first, then what is cheap, then the highest ordinal', async (t) => {
    const cluster = running(serving({ replicas: 4, roles: [role('prefill')], recoveryPolicy: 'None' }));
    const cost = (name: string, value: string) => {
      const pod = cluster.pods.get(name);
      if (pod === undefined) return;
      const annotations = { 'controller.kubernetes.io/pod-deletion-cost': value };
      cluster.pods.set(name, { ...pod, metadata: { ...pod.metadata, annotations } });
    };
    cluster.setStatus('s-0-prefill-0-0', { phase: 'Pending' });
    cost('s-1-prefill-0-0', '-5');
    const order: string[] = [];
    for (const replicas of [3, 2, 1, 0]) {
      cluster.edit(() => ({ replicas }));
      order.push(...deleted(cluster));
      cluster.round();
      cluster.finishTerminating();
    }
    t.same(
      order.map((line) => line.split(' ')[0]),
      ['s-0-prefill-0-0', 's-1-prefill-0-0', 's-3-prefill-0-0', 's-2-prefill-0-0'],
    );
  });

  t.test('to zero leaves nothing, and status says so', async (t) => {
    const cluster = running(serving({ replicas: 2, roles: [role('p', 1, { workerReplicas: 1 })] }));
    cluster.edit(() => ({ replicas: 0 }));
    cluster.converge();
    t.same(cluster.names(), []);
    t.equal(cluster.services.size, 0);
    t.match(cluster.status(), { replicas: 0, availableReplicas: 0, observedGeneration: 2 });
    t.match(cluster.status().conditions?.[0], { type: 'Available', status: 'True' });
  });
});

t.test('scaling roles', async (t) => {
  t.test('adds and removes instances in every group and restarts nothing', async (t) => {
    const cluster = running(serving({ replicas: 2 }));
    const uid = cluster.uid('s-0-decode-0-0');
    cluster.editRoles((one) => ({ ...one, replicas: one.name === 'decode' ? 3 : 1 }));
    t.same(created(cluster), ['0/decode-1/0', '0/decode-2/0', '1/decode-1/0', '1/decode-2/0']);
    cluster.converge();
    cluster.editRoles((one) => ({ ...one, replicas: 1 }));
    cluster.converge();
    t.same(cluster.names(), ['s-0-decode-0-0', 's-0-prefill-0-0', 's-1-decode-0-0', 's-1-prefill-0-0']);
    t.equal(cluster.uid('s-0-decode-0-0'), uid);
    t.equal(cluster.revisions.size, 1, 'counts make no revision');
  });

  t.test('keeps a group available while added instances start', async (t) => {
    const cluster = running(serving());
    cluster.editRoles((one) => ({ ...one, replicas: 2 }));
    cluster.round();
    t.equal(cluster.status().availableReplicas, 1);
    cluster.setStatus('s-0-decode-0-0', { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] });
    t.equal(cluster.status().availableReplicas, 0, 'but not when a pod that served does no longer');
  });

  t.test('removes a role that is gone from the spec', async (t) => {
    const cluster = running(serving({ rolloutStrategy: { type: 'RoleRollingUpdate' } }));
    cluster.edit(({ template }) => ({ template: { roles: template.roles.slice(0, 1) } }));
    cluster.converge();
    t.same(cluster.names(), ['s-0-prefill-0-0']);
  });
});

t.test('a number that no cluster holds', async (t) => {
  const all = 2 ** 31 - 1;
  const rows: readonly (readonly [string, ReturnType<typeof serving>])[] = [
    ['of groups', serving({ replicas: all })],
    ['of instances', serving({ roles: [role('prefill', all), role('decode', all)] })],
    ['of workers', serving({ roles: [role('prefill', 1, { workerReplicas: all })] })],
    ['of all', serving({ replicas: all, roles: [role('prefill', all, { workerReplicas: all })] })],
  ];
  for (const [title, given] of rows) {
    const cluster = new SmallCluster(given);
    const names = created(cluster);
    t.equal(new Set(names).size, 5_000, `${title}: as many as are planned at once`);
    t.equal(names.length, 5_000);
  }
  const cluster = new SmallCluster(serving({ replicas: 3_000 }));
  t.equal(created(cluster).length, 5_000);
  cluster.converge();
  t.equal(cluster.pods.size, 6_000, 'and the others follow');
});

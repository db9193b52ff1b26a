import t from 'tap';
import { created, deleted, role, running, serving } from './small-cluster.js';

const rolling = (options: object) =>
  ({ rolloutStrategy: { type: 'ServingGroupRollingUpdate', rollingUpdateConfiguration: options } }) as const;

t.test('a rolling update of groups', async (t) => {
  t.test('replaces one group after the other, from the highest', async (t) => {
    const cluster = running(serving({ replicas: 3, roles: [role('prefill')] }));
    cluster.setImage('v2');
    t.same(deleted(cluster), ['s-2-prefill-0-0 outdated']);
    const order: string[] = [];
    cluster.converge(200, () => order.push(...cluster.names().filter((name) => cluster.image(name) === 'v2')));
    t.same([...new Set(order)], ['s-2-prefill-0-0', 's-1-prefill-0-0', 's-0-prefill-0-0']);
    t.equal(cluster.revisions.size, 1, 'the old revision is dropped');
    t.match(cluster.status(), { updatedReplicas: 3, currentReplicas: 3, availableReplicas: 3 });
  });

  t.test('stops at a bad image, and goes back when the spec does, also after a role scale', async (t) => {
    const cluster = running(serving({ replicas: 3, roles: [role('prefill'), role('decode')] }));
    cluster.badImages.add('bad');
    cluster.setImage('bad');
    cluster.converge();
    t.equal(cluster.status().availableReplicas, 2);
    t.match(cluster.status(), { updatedReplicas: 1, currentReplicas: 2 });
    cluster.editRoles((one) => ({ ...one, replicas: 2 }));
    cluster.converge();
    cluster.setImage('v1');
    cluster.converge();
    t.equal(cluster.status().availableReplicas, 3);
  });

  t.test('keeps protected groups, and brings a lost one back from its old revision', async (t) => {
    const cluster = running(serving({ replicas: 3, roles: [role('prefill')], ...rolling({ partition: 2 }) }));
    cluster.setImage('v2');
    cluster.converge();
    const images = () => cluster.names().map((name) => cluster.image(name));
    t.same(images(), ['v1', 'v1', 'v2']);
    cluster.vanish('s-0-prefill-0-0');
    cluster.converge();
    t.same(images(), ['v1', 'v1', 'v2']);
    t.match(cluster.status(), { updatedReplicas: 1, currentReplicas: 2, availableReplicas: 3 });
    t.match(cluster.status().conditions?.[0], { type: 'Available', status: 'True' });
  });

  t.test('brings a protected one back from its old revision, however long it takes to end', async (t) => {
    const byRole = { rolloutStrategy: { type: 'RoleRollingUpdate' } } as const;
    for (const [given, lost] of [
      [serving({ replicas: 2, roles: [role('prefill')], ...rolling({ partition: 1 }) }), 's-0-prefill-0-0'],
      [serving({ roles: [role('prefill', 2, { partition: 1 })], ...byRole }), 's-0-prefill-0-0'],
    ] as const) {
      const cluster = running(given);
      cluster.editRoles((one) => role(one.name, one.replicas, { partition: one.partition ?? 0, image: 'v2' }));
      cluster.converge();
      const images = () => cluster.names().map((name) => cluster.image(name));
      t.same(images(), ['v1', 'v2']);
      cluster.deletePod(lost);
      cluster.round();
      cluster.round();
      cluster.vanish(lost);
      cluster.round();
      cluster.converge();
      t.same(images(), ['v1', 'v2']);
    }
  });

  t.test('with surge adds before it takes away', async (t) => {
    const cluster = running(
      serving({ replicas: 2, roles: [role('prefill')], ...rolling({ maxUnavailable: 0, maxSurge: 1 }) }),
    );
    cluster.setImage('v2');
    t.same(deleted(cluster), []);
    t.same(created(cluster), ['2/prefill-0/0']);
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    cluster.converge(200, () => {
      least = Math.min(least, cluster.groups().filter(({ available }) => available).length);
      most = Math.max(most, cluster.groups().filter(({ live }) => live.length > 0).length);
    });
    t.equal(least, 2, 'never fewer than wanted');
    t.equal(most, 3, 'never more than the surge allows');
    t.same(
      cluster.names().map((name) => cluster.image(name)),
      ['v2', 'v2'],
    );
  });

  t.test('is not started by reordering roles, empty lists or counts', async (t) => {
    const cluster = running(serving());
    cluster.edit(({ template }) => ({ template: { roles: [...template.roles].reverse() } }));
    cluster.editRoles((one) => ({
      ...one,
      maxUnavailable: 2,
      entryTemplate: { metadata: {}, spec: { containers: [{ name: 'c', image: 'v1', env: [], resources: {} }] } },
    }));
    t.same(cluster.plan(), []);
  });
});

t.test('a rolling update of roles', async (t) => {
  const byRole = { rolloutStrategy: { type: 'RoleRollingUpdate' } } as const;

  t.test('replaces only the changed role', async (t) => {
    const cluster = running(serving({ ...byRole, roles: [role('prefill'), role('decode', 2)] }));
    const decode = cluster.uid('s-0-decode-0-0');
    cluster.editRoles((one) => (one.name === 'prefill' ? role('prefill', 1, { image: 'v2' }) : one));
    t.same(deleted(cluster), ['s-0-prefill-0-0 outdated']);
    cluster.converge();
    t.equal(cluster.uid('s-0-decode-0-0'), decode);
    t.match(cluster.status(), { updatedReplicas: 1, availableReplicas: 1 });
  });

  t.test('disturbs one group at a time', async (t) => {
    const cluster = running(serving({ ...byRole, replicas: 3 }));
    cluster.setImage('v2');
    let least = 3;
    cluster.converge(200, () => {
      least = Math.min(least, cluster.groups().filter(({ available }) => available).length);
    });
    t.equal(least, 2);
    t.same([...new Set(cluster.names().map((name) => cluster.image(name)))], ['v2']);
  });

  t.test('keeps the first instances of a role with a partition', async (t) => {
    const cluster = running(serving({ ...byRole, roles: [role('decode', 3, { partition: 1 })] }));
    cluster.setImage('v2');
    cluster.converge();
    t.same(
      cluster.names().map((name) => cluster.image(name)),
      ['v1', 'v2', 'v2'],
    );
  });
});

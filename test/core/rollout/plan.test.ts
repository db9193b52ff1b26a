/** What every plan keeps to, whatever the spec and whatever happens: it converges, within its budget, and touches only what is its own. */
import fc from 'fast-check';
import t from 'tap';
import type { ModelServing, Role } from '../../../src/api/types.js';
import { created, role, running, SmallCluster, serving } from './small-cluster.js';

t.test('pods without an owner that carry our labels are adopted, not a reason to fail', async (t) => {
  const cluster = running(serving());
  for (const [name, pod] of cluster.pods) {
    const { ownerReferences: _orphaned, ...metadata } = pod.metadata;
    cluster.pods.set(name, { ...pod, metadata });
  }
  t.same(
    cluster.plan().map(({ do: what }) => what),
    ['adopt', 'adopt'],
  );
  cluster.converge();
});

t.test('a pod of another owner that holds a name is reported and waited for', async (t) => {
  const cluster = running(serving());
  const pod = cluster.pods.get('s-0-decode-0-0');
  if (pod === undefined) return t.fail('no pod');
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Job', name: 'j', uid: 'other', controller: true }];
  cluster.pods.set('s-0-decode-0-0', { ...pod, metadata: { ...pod.metadata, ownerReferences } });
  t.match(cluster.plan(), [{ do: 'report', reason: 'NameTaken', message: /Job j/ }]);
  cluster.pods.delete('s-0-decode-0-0');
  t.same(created(cluster), ['0/decode-0/0'], 'created as soon as the name is free');
  return undefined;
});

t.test('a serving that is being deleted is left to the garbage collector', async (t) => {
  const cluster = running(serving());
  cluster.serving = {
    ...cluster.serving,
    metadata: { ...cluster.serving.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
  };
  cluster.pods.clear();
  t.same(cluster.plan(), []);
});

const arbitraryRole = (name: string): fc.Arbitrary<Role> =>
  fc
    .record({
      replicas: fc.nat(3),
      workers: fc.nat(2),
      image: fc.constantFrom('v1', 'v2', 'v3'),
      maxUnavailable: fc.integer({ min: 1, max: 2 }),
    })
    .map(({ replicas, workers, image, maxUnavailable }) =>
      role(name, replicas, { workerReplicas: workers, image, maxUnavailable }),
    );
const arbitrarySpec = fc.record({
  replicas: fc.nat(4),
  recoveryPolicy: fc.constantFrom('ServingGroupRecreate', 'RoleRecreate', 'None'),
  rolloutStrategy: fc.oneof(
    fc.constant({ type: 'RoleRollingUpdate' as const }),
    fc.record({
      type: fc.constant('ServingGroupRollingUpdate' as const),
      rollingUpdateConfiguration: fc.record({ maxUnavailable: fc.nat(2), maxSurge: fc.nat(2), partition: fc.nat(2) }),
    }),
  ),
  roles: fc.tuple(arbitraryRole('prefill'), arbitraryRole('decode')).map((roles) => roles.slice()),
}) as fc.Arbitrary<Partial<ModelServing['spec']> & { roles: Role[] }>;

t.test('for all specs and disturbances', async (t) => {
  t.test('a plan converges, wherever it starts', async () => {
    fc.assert(
      fc.property(
        arbitrarySpec,
        arbitrarySpec,
        fc.array(fc.nat(30), { maxLength: 4 }),
        fc.nat(3),
        (first, second, hits, rounds) => {
          const cluster = new SmallCluster(serving(first));
          cluster.converge();
          cluster.edit(() => serving(second).spec);
          for (let n = 0; n < rounds; n++) cluster.round();
          for (const hit of hits) {
            const name = cluster.names()[hit % Math.max(1, cluster.names().length)] ?? '';
            if (hit % 2 === 0) cluster.vanish(name);
            else cluster.deletePod(name);
          }
          cluster.dismissed.clear(); // as after a restart of the controller
          cluster.converge();
          const { replicas = 0, template } = cluster.serving.spec;
          const perGroup = template.roles.reduce(
            (sum, one) => sum + (one.replicas ?? 1) * (1 + (one.workerReplicas ?? 0)),
            0,
          );
          // Protected instances keep the number of workers of their old revision.
          const isProtected = cluster.budget.partition > 0;
          return isProtected || cluster.pods.size === replicas * perGroup;
        },
      ),
      { numRuns: 150 },
    );
  });

  t.test('a rolling update never takes more than its budget', async () => {
    fc.assert(
      fc.property(arbitrarySpec, fc.constantFrom('v4', 'v5'), (spec, image) => {
        const cluster = new SmallCluster(serving(spec));
        cluster.converge();
        cluster.setImage(image);
        const { replicas = 0 } = cluster.serving.spec;
        const { maxUnavailable, maxSurge } = cluster.budget;
        cluster.converge(200, () => {
          const groups = cluster.groups();
          const empty = groups.length === 0;
          const available = groups.filter((group) => group.available).length;
          const live = groups.filter((group) => group.live.length > 0).length;
          if (!empty && available < replicas - maxUnavailable) throw new Error(`${available} of ${replicas} available`);
          if (live > replicas + maxSurge) throw new Error(`${live} groups for ${replicas}`);
        });
      }),
      { numRuns: 150 },
    );
  });

  t.test('equal input gives an equal plan, in whatever order a watch told it', async () => {
    fc.assert(
      fc.property(arbitrarySpec, arbitrarySpec, (first, second) => {
        const cluster = new SmallCluster(serving(first));
        cluster.converge();
        cluster.edit(() => serving(second).spec);
        const plan = JSON.stringify(cluster.plan());
        const reversed = [...cluster.pods].reverse();
        cluster.pods.clear();
        for (const [name, pod] of reversed) cluster.pods.set(name, pod);
        return JSON.stringify(cluster.plan()) === plan && JSON.stringify(cluster.plan()) === plan;
      }),
      { numRuns: 100 },
    );
  });
});

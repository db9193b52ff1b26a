import fc from 'fast-check';
import t from 'tap';
import type { ModelServing, Role } from '../../../src/api/types.js';
import { crashed, role, SmallCluster, serving } from './small-cluster.js';

const running = (given: ModelServing): SmallCluster => {
  const cluster = new SmallCluster(given);
  cluster.converge();
  return cluster;
};
const deleted = (cluster: SmallCluster) =>
  cluster.plan().flatMap((step) => (step.do === 'delete-pod' ? [`${step.name} ${step.because}`] : []));
const created = (cluster: SmallCluster) =>
  cluster
    .plan()
    .flatMap((step) =>
      step.do === 'create-pod' ? [`${step.slot.group}/${step.slot.role}-${step.slot.instance}/${step.slot.index}`] : [],
    );
const rolling = (options: object) =>
  ({ rolloutStrategy: { type: 'ServingGroupRollingUpdate', rollingUpdateConfiguration: options } }) as const;

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

/** Hashes, budgets, names and sums: tables of what counts as equal and how numbers are read. */
import t from 'tap';
import type { Pod } from '../../../src/api/kube.js';
import type { Role } from '../../../src/api/types.js';
import { revisionHash, roleHash, sameTemplates } from '../../../src/core/rollout/canonical-role.js';
import { budgetOf } from '../../../src/core/rollout/desired.js';
import { slotOf } from '../../../src/core/rollout/observed.js';
import { brokenSince, deletionCost, isReady } from '../../../src/core/rollout/pod-health.js';
import { sumQuantities } from '../../../src/core/rollout/sum-quantities.js';
import { role, serving } from './small-cluster.js';

const withContainer = (fields: object, spec: object = {}): Role =>
  role('r', 1, { entryTemplate: { spec: { containers: [{ name: 'c', image: 'v1', ...fields }], ...spec } } });
const plain = withContainer({});

t.test('templates that make the same pods have the same hash', async (t) => {
  const same: [string, Role, Role][] = [
    ['counts', plain, { ...plain, replicas: 7, maxUnavailable: '50%', partition: 2 }],
    ['absent and zero workers', plain, { ...plain, workerReplicas: 0 }],
    ['a worker template without workers', plain, { ...plain, workerTemplate: { spec: { containers: [] } } }],
    ['empty lists', plain, withContainer({ env: [], args: [], ports: [] })],
    ['empty resources', plain, withContainer({ resources: { limits: {} } })],
    ['null', plain, withContainer({ command: null } as object)],
    [
      'spelling of quantities',
      withContainer({ resources: { limits: { cpu: 1 } } }),
      withContainer({ resources: { limits: { cpu: '1000m' } } }),
    ],
    ['order of keys', plain, { entryTemplate: plain.entryTemplate, name: 'r' }],
  ];
  for (const [title, a, b] of same) t.equal(roleHash(a), roleHash(b), title);
  t.equal(revisionHash([role('a'), role('b')]), revisionHash([role('b'), role('a')]), 'order of roles');
  t.match(roleHash(plain), /^[bcdfghjklmnpqrstvwxz2456789]{10}$/, 'a hash is a valid label value and name');
});

t.test('templates that make other pods have another hash', async (t) => {
  const different: [string, Role][] = [
    ['image', withContainer({ image: 'v2' })],
    ['a false that means something', withContainer({}, { enableServiceLinks: false })],
    ['a zero that means something', withContainer({}, { terminationGracePeriodSeconds: 0 })],
    ['an empty object that means something', withContainer({}, { volumes: [{ name: 'v', emptyDir: {} }] })],
    ['workers', { ...plain, workerReplicas: 1, workerTemplate: plain.entryTemplate }],
    ['order of args', withContainer({ args: ['b', 'a'] })],
    ['a label', { ...plain, entryTemplate: { ...plain.entryTemplate, metadata: { labels: { a: 'b' } } } }],
  ];
  const hashes = [plain, withContainer({ args: ['a', 'b'] }), ...different.map(([, other]) => other)].map((one) =>
    roleHash(one),
  );
  t.equal(new Set(hashes).size, hashes.length);
});

t.test('what a typed program drops does not make its revisions foreign', async (t) => {
  const ours = withContainer({
    env: [{ name: 'E', value: '' }],
    tty: false,
    volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: false }],
  });
  const theirs = withContainer({ env: [{ name: 'E' }], resources: {}, volumeMounts: [{ name: 'v', mountPath: '/v' }] });
  t.not(roleHash(ours), roleHash(theirs));
  t.ok(sameTemplates([ours], [theirs]));
  t.notOk(sameTemplates([ours], [withContainer({ image: 'v2' })]));
});

t.test('budgets', async (t) => {
  const budget = (replicas: number, configuration: object) =>
    budgetOf(
      serving({
        replicas,
        rolloutStrategy: { type: 'ServingGroupRollingUpdate', rollingUpdateConfiguration: configuration },
      }),
    );
  t.same(budget(10, {}), { maxUnavailable: 1, maxSurge: 0, partition: 0 });
  t.same(budget(10, { maxUnavailable: '25%', maxSurge: '25%', partition: '25%' }), {
    maxUnavailable: 2,
    maxSurge: 3,
    partition: 3,
  });
  t.same(
    budget(3, { maxUnavailable: '10%' }),
    { maxUnavailable: 1, maxSurge: 0, partition: 0 },
    'never without any room',
  );
  t.same(budget(3, { maxUnavailable: 0, maxSurge: 1 }), { maxUnavailable: 0, maxSurge: 1, partition: 0 });
  t.same(budget(3, { maxUnavailable: 'many' }), { maxUnavailable: 1, maxSurge: 0, partition: 0 });
  t.same(budgetOf(serving({ rolloutStrategy: { type: 'RoleRollingUpdate' } })), {
    maxUnavailable: 1,
    maxSurge: 0,
    partition: 0,
  });
});

t.test('a pod name says its slot', async (t) => {
  t.same(slotOf('my-s-10-my-role-2-3', 'my-s'), { serving: 'my-s', group: 10, role: 'my-role', instance: 2, index: 3 });
  for (const name of [
    'my-s',
    'my-s-0',
    'my-s-0-r-0',
    'my-s-00-r-0-0',
    'my-s-x-r-0-0',
    'other-0-r-0-0',
    'my-s-0-r-0-0-debug',
  ]) {
    t.equal(slotOf(name, 'my-s'), undefined, name);
  }
  t.equal(slotOf('a-1-0-r-0-0', 'a')?.role, '0-r', 'a serving named a-1 is told apart by its owner');
});

t.test('health of a pod', async (t) => {
  const pod = (status: NonNullable<Pod['status']>, metadata: object = {}): Pod => ({
    metadata: { creationTimestamp: '1970-01-01T00:00:01Z', ...metadata },
    spec: { containers: [] },
    status,
  });
  const no = [{ type: 'Ready', status: 'False', lastTransitionTime: '1970-01-01T00:00:09Z' }];
  const yes = [{ type: 'Ready', status: 'True' }];
  const table: [string, NonNullable<Pod['status']>, boolean, number | undefined][] = [
    ['nothing yet', {}, false, undefined],
    ['pending', { phase: 'Pending' }, false, undefined],
    ['running, not ready yet', { phase: 'Running', conditions: no }, false, undefined],
    ['ready', { phase: 'Running', conditions: yes }, true, undefined],
    [
      'ready after restarts',
      { phase: 'Running', conditions: yes, containerStatuses: [{ name: 'c', restartCount: 3 }] },
      true,
      undefined,
    ],
    ['ready condition of a pod that ended', { phase: 'Succeeded', conditions: yes }, false, 1000],
    [
      'restarted and not ready',
      { phase: 'Running', conditions: no, containerStatuses: [{ name: 'c', restartCount: 1 }] },
      false,
      9000,
    ],
    [
      'restarted init container',
      { phase: 'Pending', initContainerStatuses: [{ name: 'i', restartCount: 1 }] },
      false,
      1000,
    ],
    [
      'failed, with the time of its end',
      {
        phase: 'Failed',
        containerStatuses: [{ name: 'c', state: { terminated: { finishedAt: '1970-01-01T00:00:20Z' } } }],
      },
      false,
      20_000,
    ],
  ];
  for (const [title, status, isReadyNow, since] of table) {
    t.equal(isReady(pod(status)), isReadyNow, title);
    t.equal(brokenSince(pod(status)), since, title);
  }
  const cost = (value: string) =>
    deletionCost(pod({}, { annotations: { 'controller.kubernetes.io/pod-deletion-cost': value } }));
  t.same(['5', '-7', '+1', 'x', '1.5', ''].map(cost), [5, -7, 1, 0, 0, 0]);
});

t.test('sums of requests are written as Kubernetes writes them', async (t) => {
  const sum = (...requests: Record<string, string | number>[]) =>
    sumQuantities(requests.map((one) => ({ requests: one, times: 2 })));
  t.same(sum({ cpu: '100m', memory: '1Gi', 'nvidia.com/gpu': 4 }, { cpu: 1, memory: '512Mi' }), {
    cpu: '2200m',
    memory: '3Gi',
    'nvidia.com/gpu': '8',
  });
  t.same(sum({ memory: '1500Ki' }), { memory: '3000Ki' });
  t.same(sum({ memory: '1G' }), { memory: '2000000000' });
});

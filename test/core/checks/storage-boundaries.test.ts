/** Where the rules about memory, sockets, cards and nodes begin and end: one table row on each side of every limit. */
import t from 'tap';
import { checkServing } from '../../../src/core/checks/check.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { loadProfiles } from '../../../src/settings/profiles.js';
import { both, draft, type Edit, type RoleDraft } from './example.js';

const profiles = await loadProfiles();
const found = (code: string, base: 'gpu' | 'npu', edits: readonly Edit[]) =>
  checkServing(readServing(draft(base, ...edits), profiles), {
    objects: 'complete',
    fallbackScheduler: 'default-scheduler',
    hasVolcano: true,
  }).filter((finding) => finding.code === code);

type Change = (role: RoleDraft) => unknown;
const shm =
  (sizeLimit: string | undefined, mountPath = '/dev/shm'): Change =>
  (role) => {
    const emptyDir = { medium: 'Memory', ...(sizeLimit && { sizeLimit }) };
    Object.assign(role.pod, { volumes: [{ name: 'shm', emptyDir }] });
    const mounts = (role.container['volumeMounts'] as { name: string }[]).filter(({ name }) => name !== 'shm');
    Object.assign(role.container, { volumeMounts: [...mounts, { name: 'shm', mountPath }] });
  };
const asking =
  (limits: object): Change =>
  (role) =>
    Object.assign(role.container, { resources: { limits } });
const allowing =
  (securityContext: object): Change =>
  (role) =>
    Object.assign(role.container, { securityContext });
const onNode =
  (spec: object): Change =>
  (role) =>
    Object.assign(role.pod, spec);
const offloading =
  (bytes: unknown): Change =>
  (role) => {
    role.config = { kv_connector: 'OffloadingConnector', kv_role: 'kv_both' };
    role.extra = bytes === undefined ? {} : { cpu_bytes_to_use: bytes };
  };
const folders =
  (volume: object, mountPath = '/tmp'): Change =>
  (role) => {
    role.extra = { ...role.extra, lookup_rpc_port: '0' };
    Object.assign(role.pod, {
      volumes: [
        { name: 'other', hostPath: { path: '/x' } },
        { name: 'tmp', ...volume },
      ],
    });
    Object.assign(role.container, { volumeMounts: [{ name: 'tmp', mountPath }] });
  };
const instances =
  (replicas: number): Change =>
  (role) =>
    Object.assign(role.role, { replicas });
const gpus = (count: string) => ({ 'nvidia.com/gpu': count, memory: '64Gi' });
const rdma = { 'nvidia.com/gpu': '1', memory: '64Gi', 'rdma/hca_shared': '1' };
const terms = (values: readonly string[], operator = 'In', key = 'kubernetes.io/hostname') => [
  { matchExpressions: [{ key, operator, values }] },
];
const near = (nodeSelectorTerms: readonly object[]) => ({
  nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
});
const alone = { 'kubernetes.io/hostname': 'n1' };

interface Row {
  readonly given: string;
  readonly base?: 'gpu' | 'npu';
  readonly edits: readonly Change[];
  readonly findings: number;
}

/** Both roles are changed alike, so a rule that speaks does so twice; a rule about the pair once. */
const table: Readonly<Record<string, readonly Row[]>> = {
  'TND-046': [
    { given: 'one rank without memory', edits: [shm('8Gi', '/other')], findings: 0 },
    { given: 'two ranks without memory', base: 'npu', edits: [shm('8Gi', '/other')], findings: 2 },
    {
      given: 'two ranks, the path with slashes at its end',
      base: 'npu',
      edits: [shm('8Gi', '/dev/shm//')],
      findings: 0,
    },
  ],
  'TND-047': [
    { given: 'exactly what one device needs', edits: [shm('2Gi')], findings: 0 },
    { given: 'less than that', edits: [shm('2047Mi')], findings: 2 },
    { given: 'exactly what eight devices need', edits: [asking(gpus('8')), shm('8Gi')], findings: 0 },
    { given: 'less than eight devices need', edits: [asking(gpus('8')), shm('7Gi')], findings: 2 },
    { given: 'exactly half of the memory limit', edits: [shm('32Gi')], findings: 0 },
    { given: 'more than half of it', edits: [shm('33Gi')], findings: 2 },
    { given: 'much, and no memory limit', edits: [asking({ 'nvidia.com/gpu': '1' }), shm('33Gi')], findings: 0 },
    { given: 'no size, but a memory limit', edits: [shm(undefined)], findings: 0 },
    { given: 'no size and no memory limit', edits: [asking({ 'nvidia.com/gpu': '1' }), shm(undefined)], findings: 2 },
  ],
  'TND-048': [
    { given: 'more than the offloaded bytes', edits: [offloading(8 * 1024 ** 3 - 1)], findings: 0 },
    { given: 'as much as the offloaded bytes', edits: [offloading(8 * 1024 ** 3)], findings: 2 },
    {
      given: 'as much as those of two engines',
      edits: [offloading(4 * 1024 ** 3), (role) => Object.assign(role.flags, { 'data-parallel-size': '2' })],
      findings: 2,
    },
    {
      given: 'as much as those of one engine of two ranks needs, and more',
      edits: [offloading(4 * 1024 ** 3), (role) => Object.assign(role.flags, { 'tensor-parallel-size': '2' })],
      findings: 0,
    },
    { given: 'no number of bytes', edits: [offloading(undefined)], findings: 0 },
    { given: 'no shared memory', edits: [offloading(8 * 1024 ** 3), shm('8Gi', '/other')], findings: 0 },
    { given: 'shared memory without a size', edits: [offloading(8 * 1024 ** 3), shm(undefined)], findings: 0 },
    {
      given: 'another connector with such a number',
      edits: [(role) => Object.assign(role.extra, { cpu_bytes_to_use: 8 * 1024 ** 3 })],
      findings: 0,
    },
  ],
  'TND-043': [
    { given: 'two pods and a host folder', edits: [instances(2), folders({ hostPath: { path: '/t' } })], findings: 2 },
    { given: 'one pod of each role, with one name', edits: [folders({ hostPath: { path: '/t' } })], findings: 2 },
    {
      given: 'one pod of each role, with names of their own',
      edits: [
        folders({ hostPath: { path: '/t' } }),
        (role) => Object.assign(role, { extra: { lookup_rpc_port: role.name } }),
      ],
      findings: 0,
    },
    {
      given: 'one pod of each role, in folders of their own',
      edits: [(role) => folders({ hostPath: { path: `/${role.name}/` } })(role)],
      findings: 0,
    },
    { given: 'two pods, each with a folder', edits: [instances(2), folders({ emptyDir: {} })], findings: 0 },
    {
      given: 'two pods, the host folder elsewhere',
      edits: [instances(2), folders({ hostPath: { path: '/t' } }, '/data')],
      findings: 0,
    },
    {
      given: 'two pods, and the host folder is above that of the sockets',
      edits: [
        instances(2),
        folders({ hostPath: { path: '/t' } }, '/data/'),
        (role) => Object.assign(role.env, { VLLM_RPC_BASE_PATH: '/data/rpc/' }),
      ],
      findings: 2,
    },
    {
      given: 'two pods, and the sockets are beside the host folder',
      edits: [
        instances(2),
        folders({ hostPath: { path: '/t' } }, '/data'),
        (role) => Object.assign(role.env, { VLLM_RPC_BASE_PATH: '/database' }),
      ],
      findings: 0,
    },
    {
      given: 'two pods without sockets',
      edits: [instances(2), folders({ hostPath: { path: '/t' } }), (role) => Object.assign(role, { extra: {} })],
      findings: 0,
    },
  ],
  'TND-051': [
    { given: 'a card and no right', edits: [asking(rdma)], findings: 2 },
    { given: 'no card and no right', edits: [], findings: 0 },
    { given: 'the right', edits: [asking(rdma), allowing({ capabilities: { add: ['IPC_LOCK'] } })], findings: 0 },
    { given: 'every right', edits: [asking(rdma), allowing({ capabilities: { add: ['ALL'] } })], findings: 0 },
    ...['rc,cuda_copy', 'cuda_copy,ud_x', 'ib'].map((value) => ({
      given: `no card, and UCX over ${value}`,
      edits: [(role: RoleDraft) => Object.assign(role.env, { UCX_TLS: value })],
      findings: 2,
    })),
    ...['^gga', 'tcp,cuda_copy', 'src,library'].map((value) => ({
      given: `no card, and UCX over ${value}`,
      edits: [(role: RoleDraft) => Object.assign(role.env, { UCX_TLS: value })],
      findings: 0,
    })),
    {
      given: 'no card, and one that UCX is told',
      edits: [(role) => Object.assign(role.env, { UCX_NET_DEVICES: 'eth0,mlx5_0:1' })],
      findings: 2,
    },
    { given: 'another right', edits: [asking(rdma), allowing({ capabilities: { add: ['SYS_NICE'] } })], findings: 2 },
    { given: 'a privileged container', edits: [asking(rdma), allowing({ privileged: true })], findings: 0 },
  ],
  'TND-056': [
    { given: 'the pod network', edits: [], findings: 0 },
    { given: 'the host network', edits: [onNode({ hostNetwork: true })], findings: 2 },
    {
      given: 'the host network with its policy',
      edits: [onNode({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' })],
      findings: 0,
    },
  ],
  'TND-057': [
    { given: 'one node for both', base: 'npu', edits: [onNode({ nodeSelector: alone })], findings: 1 },
    { given: 'one node by its name', base: 'npu', edits: [onNode({ nodeName: 'n1' })], findings: 1 },
    { given: 'one node by affinity', base: 'npu', edits: [onNode({ affinity: near(terms(['n1'])) })], findings: 1 },
    {
      given: 'one of two nodes by affinity',
      base: 'npu',
      edits: [onNode({ affinity: near(terms(['n1', 'n2'])) })],
      findings: 0,
    },
    { given: 'not one node', base: 'npu', edits: [onNode({ affinity: near(terms(['n1'], 'NotIn')) })], findings: 0 },
    { given: 'one zone', base: 'npu', edits: [onNode({ affinity: near(terms(['n1'], 'In', 'zone')) })], findings: 0 },
    {
      given: 'one node or anything else',
      base: 'npu',
      edits: [onNode({ affinity: near([...terms(['n1']), {}]) })],
      findings: 0,
    },
    {
      given: 'nodes of their own',
      base: 'npu',
      edits: [(r) => Object.assign(r, { pod: { ...r.pod, nodeName: r.name } })],
      findings: 0,
    },
    {
      given: 'one node and the host network',
      base: 'npu',
      edits: [onNode({ nodeSelector: alone, hostNetwork: true })],
      findings: 0,
    },
    { given: 'one node of GPUs', edits: [onNode({ nodeSelector: alone })], findings: 0 },
  ],
};

for (const [code, rows] of Object.entries(table)) {
  t.test(code, async (t) => {
    for (const { given, base = 'gpu', edits, findings } of rows) {
      t.equal(found(code, base, edits.map(both)).length, findings, `${given}: ${findings} findings`);
    }
  });
}

t.test('TND-052 names the card and the role that lacks it', async (t) => {
  const withCard =
    (name: 'prefill' | 'decode', limits: object): Edit =>
    (made) =>
      asking(limits)(made[name]);
  const other = { ...gpus('1'), 'aws.amazon.com/efa': '4' };
  t.match(found('TND-052', 'gpu', [withCard('prefill', rdma)]), [{ path: /roles\[1\]/, want: /rdma\/hca_shared/ }]);
  t.match(found('TND-052', 'gpu', [withCard('decode', other)]), [{ path: /roles\[0\]/, want: /aws.amazon.com\/efa/ }]);
  t.same(found('TND-052', 'gpu', [withCard('prefill', rdma), withCard('decode', rdma)]), []);
  t.same(found('TND-052', 'gpu', []), []);
});

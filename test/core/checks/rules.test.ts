/** Every rule has an example that passes and one that fails; the table is complete, because `allRules` is compared with it. */
import t from 'tap';
import type { ModelRoute, ModelServer } from '../../../src/api/types.js';
import { allRules } from '../../../src/core/checks/all-rules.js';
import { checkModelRoute, checkModelServer, checkServing } from '../../../src/core/checks/check.js';
import type { CheckContext } from '../../../src/core/checks/context.js';
import type { Finding } from '../../../src/core/checks/finding.js';
import { reviewModelServer, reviewServing } from '../../../src/core/checks/review.js';
import { defaultExpandSettings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { loadProfiles } from '../../../src/settings/profiles.js';
import { both, type Draft, draft, type Edit, type RoleDraft } from './example.js';

const profiles = await loadProfiles();
const context: CheckContext = { objects: 'complete', fallbackScheduler: 'default-scheduler', hasVolcano: true };

const server = (spec: object = {}, annotations = {}): ModelServer =>
  ({
    apiVersion: 'networking.serving.volcano.sh/v1alpha1',
    kind: 'ModelServer',
    metadata: { name: 'demo', namespace: 'default', annotations },
    spec: {
      model: 'qwen',
      inferenceEngine: 'vLLM',
      workloadPort: { port: 8000 },
      workloadSelector: {
        matchLabels: { 'modelserving.volcano.sh/name': 'demo' },
        pdGroup: {
          groupKey: 'modelserving.volcano.sh/group-name',
          prefillLabels: { 'modelserving.volcano.sh/role': 'prefill', 'modelserving.volcano.sh/entry': 'true' },
          decodeLabels: { 'modelserving.volcano.sh/role': 'decode', 'modelserving.volcano.sh/entry': 'true' },
        },
      },
      ...spec,
    },
  }) as unknown as ModelServer;
const selecting = (more: object) => ({ workloadSelector: { ...server().spec.workloadSelector, ...more } });
const group = (more: object) => selecting({ pdGroup: { ...server().spec.workloadSelector.pdGroup, ...more } });
const traffic = (trafficPolicy: object) => ({ trafficPolicy });

const route = (spec: object = {}, name = 'demo'): ModelRoute =>
  ({
    apiVersion: 'networking.serving.volcano.sh/v1alpha1',
    kind: 'ModelRoute',
    metadata: { name, namespace: 'default' },
    spec: { modelName: 'qwen', rules: [{ targetModels: [{ modelServerName: 'demo' }] }], ...spec },
  }) as unknown as ModelRoute;

type Case =
  | readonly [code: string, base: 'gpu' | 'npu' | 'sglang', ...edits: Edit[]]
  | readonly [code: string, kind: 'server', spec: object, annotations?: object]
  | readonly [code: string, kind: 'route', spec: object];

const decode =
  (edit: (role: RoleDraft) => unknown): Edit =>
  ({ decode: d }: Draft) =>
    edit(d);
const prefill =
  (edit: (role: RoleDraft) => unknown): Edit =>
  ({ prefill: p }: Draft) =>
    edit(p);
const spec =
  (more: object): Edit =>
  (d) =>
    Object.assign(d.spec, more);
const limits = (more: object) => (r: RoleDraft) => {
  r.container['resources'] = { ...(r.container['resources'] as object), limits: more };
};
const twice = spec({ replicas: 2 });
const replaced = (flags: RoleDraft['flags']) => (r: RoleDraft) => Object.assign(r.flags, flags);
const env = (more: object) => (r: RoleDraft) => Object.assign(r.env, more);
const config = (more: object) => (r: RoleDraft) => Object.assign(r.config ?? {}, more);
const onHost = (r: RoleDraft) => Object.assign(r.pod, { hostNetwork: true });
const probing = (more: object) => (r: RoleDraft) => Object.assign(r.container, more);
const roles = (more: object) => both((r) => Object.assign(r.role, more));
const annotated =
  (annotations: object): Edit =>
  (d) =>
    Object.assign(d.metadata, { annotations });
const lmcache = both((r) => {
  r.config = { kv_connector: 'LMCacheConnectorV1', kv_role: 'kv_both' };
});
const lmcachePd: Edit = ({ prefill: p, decode: d }) => {
  p.config = { kv_connector: 'LMCacheConnectorV1', kv_role: 'kv_producer' };
  d.config = { kv_connector: 'LMCacheConnectorV1', kv_role: 'kv_consumer' };
  for (const r of [p, d]) Object.assign(r.extra, { discard_partial_chunks: false });
};
const waiting = prefill((r) => Object.assign(r.pod, { initContainers: [{ name: 'wait', image: 'busybox' }] }));
const connector = (name: string) => both(config({ kv_connector: name }));

/** One failing example per line; what passes is the unedited example of the same base. */
const failing: readonly Case[] = [
  ['TND-001', 'gpu', decode(config({ kv_connector: 'NixlPushConnector' }))],
  ['TND-002', 'gpu', decode(config({ kv_role: 'kv_producer' }))],
  ['TND-003', 'npu', decode(config({ kv_role: 'kv_both' }))],
  ['TND-004', 'server', { kvConnector: { type: 'lmcache' } }],
  ['TND-005', 'server', { inferenceEngine: 'SGLang', kvConnector: { type: 'nixl' } }],
  [
    'TND-006',
    'gpu',
    decode((r) =>
      Object.assign(r, {
        image: 'lmsysorg/sglang:v0.5.5',
        command: ['python3', '-m', 'sglang.launch_server'],
        config: undefined,
        flags: { 'model-path': 'Qwen/Qwen3-0.6B', 'disaggregation-mode': 'decode' },
      }),
    ),
  ],
  ['TND-007', 'gpu', decode((r) => Object.assign(r, { image: 'vllm/vllm-openai:v0.11.0' }))],
  ['TND-008', 'gpu', decode(replaced({ model: 'Qwen/Qwen3-8B' }))],
  ['TND-009', 'gpu', decode(replaced({ 'served-model-name': 'other' }))],
  ['TND-210', 'server', { model: 'other' }],
  ['TND-010', 'gpu', decode(replaced({ dtype: 'float16' }))],
  ['TND-011', 'sglang', both(replaced({ 'page-size': '64' })), decode(replaced({ 'page-size': '1' }))],
  ['TND-012', 'gpu', decode(replaced({ 'disable-hybrid-kv-cache-manager': true }))],
  ['TND-013', 'gpu', decode(replaced({ 'speculative-config': '{"method":"eagle3"}' }))],
  ['TND-014', 'gpu', both(replaced({ 'max-model-len': '8192' })), decode(replaced({ 'max-model-len': '4096' }))],
  ['TND-015', 'npu', both((r) => Object.assign(r.extra, { decode: { tp_size: 2, dp_size: 2 } }))],
  ['TND-016', 'gpu', decode(replaced({ 'chat-template': '/x' }))],
  ['TND-017', 'npu', decode(config({ kv_port: '80' }))],
  ['TND-018', 'npu', decode(config({ kv_connector_module_path: 'vllm_ascend.distributed.mooncake_connector' }))],
  ['TND-019', 'npu', decode(config({ engine_id: '$ENGINE_ID' }))],
  ['TND-020', 'gpu', decode((r) => Object.assign(r, { name: 'prefill2' })), decode(config({ kv_role: 'kv_producer' }))],
  ['TND-021', 'npu', decode(limits({ 'huawei.com/ascend-1980': '1' }))],
  ['TND-022', 'gpu', decode(limits({ 'nvidia.com/gpu': '2' }))],
  [
    'TND-023',
    'gpu',
    decode((r) =>
      Object.assign(r.container, {
        resources: { limits: { 'nvidia.com/gpu': '2' }, requests: { 'nvidia.com/gpu': '1' } },
      }),
    ),
  ],
  ['TND-024', 'gpu', decode(env({ VLLM_NIXL_SIDE_CHANNEL_HOST: '0.0.0.0' }))],
  ['TND-025', 'gpu', twice, decode(env({ VLLM_NIXL_SIDE_CHANNEL_HOST: 'decode.default.svc' }))],
  ['TND-026', 'npu', decode(config({ kv_port: '20001' }))],
  ['TND-027', 'gpu', both(onHost)],
  ['TND-028', 'gpu', decode(env({ VLLM_NIXL_SIDE_CHANNEL_PORT: '8000' }))],
  ['TND-029', 'npu', decode(replaced({ 'tensor-parallel-size': '4' }))],
  ['TND-030', 'gpu', prefill(replaced({ 'tensor-parallel-size': '2' }))],
  ['TND-031', 'gpu', connector('MooncakeConnector'), decode(replaced({ 'tensor-parallel-size': '2' }))],
  ['TND-032', 'gpu', connector('P2pNcclConnector'), decode(replaced({ 'tensor-parallel-size': '2' }))],
  ['TND-033', 'sglang', decode(replaced({ 'tp-size': '2' }))],
  [
    'TND-034',
    'npu',
    decode(limits({ 'huawei.com/Ascend910': '3' })),
    decode((r) => Object.assign(r.pod, { nodeSelector: { 'accelerator-type': 'module' } })),
  ],
  ['TND-035', 'npu', decode(limits({ 'huawei.com/Ascend910': '2' }))],
  ['TND-036', 'gpu', decode(replaced({ 'data-parallel-external-lb': true, 'data-parallel-size-local': '2' }))],
  [
    'TND-037',
    'gpu',
    decode((r) =>
      Object.assign(r.role, {
        workerReplicas: 1,
        workerTemplate: { spec: { containers: [{ name: 'w', image: 'x' }] } },
      }),
    ),
  ],
  ['TND-038', 'server', group({ decodeLabels: { 'modelserving.volcano.sh/role': 'decode' } })],
  ['TND-039', 'gpu', twice, decode(config({ engine_id: 'fixed' }))],
  [
    'TND-040',
    'gpu',
    decode(config({ engine_id: '$(POD_NAME)' })),
    decode(env({ POD_NAME: { valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } } })),
  ],
  ['TND-041', 'gpu', lmcache],
  ['TND-042', 'gpu', decode(env({ LMCACHE_CHUNK_SIZE: '128' }))],
  ['TND-044', 'npu', both(config({ kv_rank: 0 }))],
  [
    'TND-046',
    'npu',
    decode((r) => Object.assign(r.container, { volumeMounts: [{ name: 'hccn', mountPath: '/etc/hccn.conf' }] })),
  ],
  [
    'TND-047',
    'gpu',
    decode((r) =>
      Object.assign(r.pod, { volumes: [{ name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '256Mi' } }] }),
    ),
  ],
  [
    'TND-043',
    'gpu',
    twice,
    lmcache,
    decode((r) => {
      Object.assign(r.extra, { lmcache_rpc_port: 'c1' });
      r.container['volumeMounts'] = [{ name: 't', mountPath: '/tmp' }];
      r.pod['volumes'] = [{ name: 't', hostPath: { path: '/tmp' } }];
    }),
  ],
  [
    'TND-045',
    'gpu',
    lmcachePd,
    decode(replaced({ 'tensor-parallel-size': '2' })),
    decode(env({ LMCACHE_PD_PEER_INIT_PORT: '7300', LMCACHE_PD_PEER_ALLOC_PORT: '7400,7401' })),
  ],
  [
    'TND-048',
    'gpu',
    connector('OffloadingConnector'),
    both((r) => Object.assign(r.extra, { cpu_bytes_to_use: 100_000_000_000 })),
  ],
  [
    'TND-049',
    'npu',
    decode((r) => Object.assign(r.container, { volumeMounts: [{ name: 'shm', mountPath: '/dev/shm' }] })),
  ],
  ['TND-051', 'gpu', both(limits({ 'nvidia.com/gpu': '1', 'rdma/ib': '1' }))],
  ['TND-052', 'gpu', decode(limits({ 'nvidia.com/gpu': '1', 'rdma/ib': '1' }))],
  ['TND-053', 'gpu', decode(env({ UCX_TLS: 'tcp' }))],
  ['TND-054', 'npu', decode(env({ HCCL_SOCKET_IFNAME: 'eth0' }))],
  ['TND-055', 'gpu', decode(env({ VLLM_HOST_IP: '10.0.0.1' }))],
  ['TND-056', 'gpu', decode(onHost)],
  ['TND-057', 'npu', both((r) => Object.assign(r.pod, { nodeSelector: { 'kubernetes.io/hostname': 'n1' } }))],
  ['TND-058', 'gpu', both(replaced({ model: '/models/q' })), decode(env({ HF_HUB_OFFLINE: '1' }))],
  ['TND-059', 'gpu', decode(env({ CUDA_VISIBLE_DEVICES: '0' }))],
  [
    'TND-060',
    'npu',
    decode(
      env({
        ASCEND_VISIBLE_DEVICES: {
          valueFrom: { fieldRef: { fieldPath: "metadata.annotations['huawei.com/Ascend910']" } },
        },
      }),
    ),
  ],
  ['TND-061', 'npu', decode((r) => Object.assign(r.metadata, { labels: { 'ring-controller.atlas': 'ascend-910b' } }))],
  ['TND-062', 'gpu', decode(probing({ startupProbe: undefined }))],
  [
    'TND-063',
    'gpu',
    decode(probing({ startupProbe: { httpGet: { port: 8000 }, periodSeconds: 5, failureThreshold: 3 } })),
  ],
  ['TND-064', 'gpu', decode(probing({ readinessProbe: { httpGet: { port: 8100 } } }))],
  ['TND-065', 'server', { workloadPort: { port: 9000 } }],
  ['TND-066', 'sglang', decode((r) => Reflect.deleteProperty(r.flags, 'host'))],
  ['TND-067', 'server', traffic({ timeout: '10s' })],
  ['TND-068', 'gpu', decode(replaced({ 'shutdown-timeout': '45' }))],
  ['TND-069', 'gpu', (d) => Object.assign(d.template, { gangPolicy: { minRoleReplicas: { prefill: 1 } } })],
  ['TND-070', 'gpu', spec({ recoveryPolicy: 'RoleRecreate' })],
  [
    'TND-071',
    'gpu',
    annotated({ 'tandem.dev/expand': 'off' }),
    spec({ rolloutStrategy: { type: 'RoleRollingUpdate' }, recoveryPolicy: 'RoleRecreate' }),
  ],
  ['TND-073', 'gpu', lmcachePd],
  ['TND-074', 'npu', prefill(replaced({ 'additional-config': '{"recompute_scheduler_enable":true}' }))],
  ['TND-075', 'gpu', decode(config({ kv_load_failure_policy: 'recompute' }))],
  ['TND-076', 'gpu', decode((r) => Object.assign(r.extra, { kv_lease_duration: 5 }))],
  ['TND-077', 'sglang', both(replaced({ 'disaggregation-transfer-backend': 'nixl' }))],
  ['TND-078', 'server', { inferenceEngine: 'SGLang' }, { 'tandem.dev/fallback': 'recompute' }],
  ['TND-101', 'gpu', (d) => Object.assign(d.metadata, { name: 'a'.repeat(60) })],
  ['TND-102', 'gpu', decode((r) => Object.assign(r, { name: '9decode' }))],
  ['TND-103', 'gpu', decode((r) => Object.assign(r, { image: 'vllm/vllm-openai:v0.12.0 ' }))],
  ['TND-104', 'gpu', spec({ replicas: -1 })],
  ['TND-105', 'gpu', spec({ rolloutStrategy: { rollingUpdateConfiguration: { maxUnavailable: '10%' } } })],
  ['TND-106', 'gpu', decode((r) => Object.assign(r.role, { partition: 1 }))],
  ['TND-107', 'gpu', (d) => Object.assign(d.template, { gangPolicy: { minRoleReplicas: { prefill: 1, decode: 2 } } })],
  ['TND-108', 'gpu', roles({ workerReplicas: 1 })],
  ['TND-109', 'gpu', spec({ rolloutStrategy: { type: 'RoleRollingUpdate' } })],
  [
    'TND-110',
    'gpu',
    decode((r) => Object.assign(r.metadata, { labels: { 'modelserving.volcano.sh/group-name': 'group-0' } })),
  ],
  ['TND-111', 'gpu', annotated({ 'tandem.dev/placement': 'near' })],
  ['TND-112', 'gpu', annotated({ 'tandem.dev/modell': 'x' })],
  ['TND-113', 'gpu', decode((r) => Object.assign(r.pod, { containers: [] }))],
  ['TND-119', 'gpu', decode((r) => Object.assign(r, { command: ['/start.sh'], flags: {}, config: undefined }))],
  ['TND-201', 'server', selecting({ matchLabels: {} })],
  ['TND-202', 'server', group({ groupKey: '' })],
  ['TND-203', 'server', group({ decodeLabels: server().spec.workloadSelector.pdGroup?.prefillLabels })],
  ['TND-204', 'server', traffic({ timeout: 'ten seconds' })],
  ['TND-205', 'server', traffic({ retry: { attempts: -1 } })],
  ['TND-206', 'server', {}, { 'tandem.dev/fallback': 'hope' }],
  ['TND-207', 'server', { inferenceEngine: 'SGLang' }],
  ['TND-208', 'server', group({ decodeLabels: { 'modelserving.volcano.sh/role': 'decoder' } })],
  ['TND-209', 'server', selecting({ matchLabels: { 'modelserving.volcano.sh/name': 'absent' } })],
  ['TND-211', 'route', { modelName: '' }],
  ['TND-212', 'route', { rules: [{ targetModels: [{ modelServerName: 'demo', weight: 0 }] }] }],
  [
    'TND-213',
    'route',
    { rules: [{ modelMatch: { uri: { regex: '(' } }, targetModels: [{ modelServerName: 'demo' }] }] },
  ],
  ['TND-214', 'route', { rules: [{ targetModels: [{ modelServerName: 'absent' }] }] }],
];

/** Rules that need another context than the others. */
const special: Readonly<Record<string, () => { passes: readonly Finding[]; fails: readonly Finding[] }>> = {
  'TND-050': () => ({ passes: check(['', 'npu']), fails: check(['', 'npu'], { hasAscendRuntime: false }) }),
  'TND-072': () => ({
    passes: check(['', 'npu'], { dialects: ['nixl-pull'] }),
    fails: check(['', 'npu', connector('MooncakeLayerwiseConnector')], { dialects: ['nixl-pull'] }),
  }),
  'TND-079': () => ({
    passes: besideUpstreamMooncake(server()),
    fails: besideUpstreamMooncake(
      server(
        group({
          prefillLabels: { 'modelserving.volcano.sh/role': 'decode', 'modelserving.volcano.sh/entry': 'true' },
        }),
      ),
    ),
  }),
  'TND-115': () => ({
    passes: check(['', 'sglang'], { dialects: ['sglang'] }),
    fails: check(['', 'sglang'], { dialects: ['nixl-pull', 'two-step'] }),
  }),
  'TND-114': () => ({ passes: check(['', 'gpu']), fails: check(['', 'gpu'], { hasVolcano: false }) }),
  'TND-100': () => ({
    passes: reviewModelServer(server(), context),
    fails: reviewModelServer(server({ workloadPort: { port: 0 } }), context),
  }),
  'TND-120': () => {
    const expansion = { profiles, settings: defaultExpandSettings };
    const ask = (engine: string) =>
      reviewServing(
        draft(
          'gpu',
          annotated({ 'tandem.dev/model': 'a/b', 'tandem.dev/engine': engine }),
          both((r) => Object.assign(r.pod, { containers: [] })),
        ),
        expansion,
        context,
      );
    return { passes: ask('vllm'), fails: ask('unheard-of') };
  },
  'TND-215': () => ({
    passes: check(['', 'route', {}]),
    fails: check(['', 'route', {}], { modelRoutes: [route({}, 'older')] }),
  }),
};

/** A serving whose decode role has a worker: what a ModelServer may select too much of. */
const linked = readServing(
  draft(
    'gpu',
    decode((r) =>
      Object.assign(r.role, {
        workerReplicas: 1,
        workerTemplate: { spec: { containers: [{ name: 'w', image: 'x', args: ['--headless'] }] } },
      }),
    ),
  ),
  profiles,
);

function check(example: Case, more: Partial<CheckContext> = {}): readonly Finding[] {
  const [, kind, first, annotations] = example;
  const known = { ...context, ...more };
  if (kind === 'server')
    return checkModelServer(server(first as object, annotations as object), { ...known, modelServings: [linked] });
  if (kind === 'route') return checkModelRoute(route(first as object), { ...known, modelServers: [server()] });
  const edits = example.slice(2) as Edit[];
  return checkServing(readServing(draft(kind, ...edits), profiles), known);
}

/** A ModelServer beside a pair of upstream's newer Mooncake connector. */
function besideUpstreamMooncake(one: ModelServer): readonly Finding[] {
  const roles: Edit = ({ prefill: p, decode: d }) => {
    p.config = { kv_connector: 'MooncakeConnector', kv_role: 'kv_producer' };
    d.config = { kv_connector: 'MooncakeConnector', kv_role: 'kv_consumer' };
  };
  return checkModelServer(one, { ...context, modelServings: [readServing(draft('gpu', roles), profiles)] });
}

const codesOf = (findings: readonly Finding[]) => findings.map(({ code }) => code);

t.test('the examples that pass have no findings at all', async (t) => {
  for (const base of ['gpu', 'npu', 'sglang'] as const) t.strictSame(codesOf(check(['', base])), [], base);
  t.strictSame(codesOf(check(['', 'server', {}])), []);
  t.strictSame(codesOf(check(['', 'route', {}])), []);
});

t.test('each rule fails its example, with a place, what it saw, what it wants and what to do', async (t) => {
  for (const example of failing) {
    const [code] = example;
    const found = check(example).filter((finding) => finding.code === code);
    t.ok(found.length > 0, `${code} ${found[0]?.path ?? `missed; saw ${codesOf(check(example)).join(' ')}`}`);
    for (const { path, want, fix, because, severity } of found) {
      t.match(path, /^(spec|metadata)\./);
      t.ok(want && fix && because && ['error', 'warning'].includes(severity));
    }
  }
});

t.test('rules about the surroundings', async (t) => {
  for (const [code, example] of Object.entries(special)) {
    const { passes, fails } = example();
    t.notOk(codesOf(passes).includes(code), `${code} passes`);
    t.ok(codesOf(fails).includes(code), `${code} fails`);
  }
});

t.test('every rule has an example', async (t) => {
  const tried = new Set([...failing.map(([code]) => code), ...Object.keys(special)]);
  t.strictSame(
    allRules.map(({ code }) => code).filter((code) => !tried.has(code)),
    [],
  );
  for (const { code, source, title, because } of allRules)
    t.ok(/^TND-\d{3}$/.test(code) && source && title && because, code);
});

t.test('no two rules share a code', async (t) => {
  const codes = allRules.map(({ code }) => code);
  t.strictSame(
    codes.filter((code, i) => codes.indexOf(code) !== i),
    [],
  );
});

t.test('the 80 rules of pd-protocols C each have a code, but for the one that is done by expansion', async (t) => {
  const codes = new Set(allRules.map(({ code }) => code));
  const wanted = Array.from({ length: 80 }, (_, i) => `TND-${String(i + 1).padStart(3, '0')}`);
  t.strictSame(
    wanted.filter((code) => !codes.has(code)),
    ['TND-080'],
  );
});

t.test('LMCache from prefill to decode, complete, has no findings', async (t) => {
  const ports = decode(env({ LMCACHE_PD_PEER_INIT_PORT: '[7300]', LMCACHE_PD_PEER_ALLOC_PORT: '7400' }));
  const seeded = both(env({ PYTHONHASHSEED: '0' }));
  t.strictSame(codesOf(check(['', 'gpu', lmcachePd, waiting, ports, seeded])), []);
});

t.test('a connector that no router is known for is not judged by its protocol', async (t) => {
  t.notOk(codesOf(check(['', 'sglang'])).includes('TND-115'), 'it is not known which router is used');
});

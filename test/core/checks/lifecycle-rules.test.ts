/** Probes, grace, gangs, recovery, leases: where time and restarts meet KV. */
import { boundaries, engine, pod } from './boundaries.js';
import { config, connector, decode, prefill, probing, replaced, spec } from './edits.js';
import { both, type Edit, type RoleDraft } from './example.js';

const live = (more: object) =>
  decode(probing({ startupProbe: undefined, livenessProbe: { httpGet: { port: 8000 }, ...more } }));
const start = (more: object) => decode(probing({ startupProbe: { httpGet: { port: 8000 }, ...more } }));
const model = (name: string): Edit => both(replaced({ model: name, 'served-model-name': 'x' }));
const minutes = (count: number) => ({ periodSeconds: 60, failureThreshold: count });

boundaries('TND-062', 'gpu', [
  ['a startup probe', []],
  ['no liveness probe', [decode(probing({ startupProbe: undefined, livenessProbe: undefined }))]],
  ['just long enough', [live(minutes(10))]],
  [
    'a second too short',
    [live({ initialDelaySeconds: 9, periodSeconds: 10, failureThreshold: 59 })],
    {
      path: `${engine.decode}.livenessProbe`,
      saw: '599 s until the first kill, no startupProbe',
      want: '600 s',
      fix: /failureThreshold 60$/,
    },
  ],
  ['long enough by its delay', [live({ initialDelaySeconds: 10, periodSeconds: 10, failureThreshold: 59 })]],
  ['Kubernetes’ own pace', [live({})], { saw: /^30 s/ }],
  ['Kubernetes’ own pace after ten minutes', [live({ initialDelaySeconds: 570 })]],
  ['a model of 30 billion parameters', [model('a/x-30B'), live(minutes(29))], { want: '1800 s', fix: /180$/ }],
  ['the same, just long enough', [model('a/x-30B'), live(minutes(30))]],
  ['29.9 billion', [model('a/x-29.9b'), live(minutes(10))]],
  ['200 billion', [model('a/x-200B'), live(minutes(59))], { want: '3600 s' }],
  ['199 billion', [model('a/x-199B'), live(minutes(30))]],
  ['the larger of two sizes', [model('a/x-235B-A22B'), live(minutes(59))], { want: '3600 s' }],
  ['bits are no parameters', [model('a/x-400bit'), live(minutes(10))]],
  ['a version is no size', [model('a/v1.200b'), live(minutes(10))]],
  ['a word that ends like one', [model('a/x200b'), live(minutes(10))]],
  [
    'a size in the served name',
    [both(replaced({ 'served-model-name': 'x-70b' })), live(minutes(29))],
    { want: '1800 s' },
  ],
]);

const eager = (flag: string) => both(replaced({ [flag]: true }));
boundaries('TND-062', 'npu', [
  ['an NPU compiles graphs', [live(minutes(29))], { saw: /^1740 s/, want: '1800 s', fix: /failureThreshold 180$/ }],
  ['long enough for graphs', [live(minutes(30))]],
  ['an NPU without graphs', [eager('enforce-eager'), live(minutes(10))]],
  [
    'an NPU without graphs, not long enough for the weights',
    [eager('enforce-eager'), live(minutes(9))],
    { want: '600 s' },
  ],
  ['an NPU without the graphs of SGLang', [eager('disable-cuda-graph'), live(minutes(10))]],
  ['more than graphs', [model('a/x-200B'), live(minutes(30))], { want: '3600 s' }],
]);

boundaries('TND-063', 'gpu', [
  ['no startup probe', [decode(probing({ startupProbe: undefined }))]],
  ['just long enough', [start(minutes(10))]],
  [
    'too short',
    [start({ periodSeconds: 7, failureThreshold: 85 })],
    { path: `${engine.decode}.startupProbe`, saw: '595 s', want: '600 s', fix: 'raise failureThreshold to 86' },
  ],
  ['too short at Kubernetes’ own pace', [start({})], { saw: '30 s', fix: 'raise failureThreshold to 60' }],
  [
    'longer than the engine itself waits',
    [start(minutes(10)), decode((r) => Object.assign(r.env, { VLLM_ENGINE_READY_TIMEOUT_S: '599' }))],
    { saw: '600 s', want: 'at most VLLM_ENGINE_READY_TIMEOUT_S 599', fix: /to 600$/ },
  ],
  [
    'as long as it waits',
    [start(minutes(10)), decode((r) => Object.assign(r.env, { VLLM_ENGINE_READY_TIMEOUT_S: '600' }))],
  ],
  [
    'what it waits is no number',
    [start(minutes(10)), decode((r) => Object.assign(r.env, { VLLM_ENGINE_READY_TIMEOUT_S: 'x' }))],
  ],
]);

const ports = {
  ports: [
    { name: 'x', containerPort: 8000 },
    { name: 'y', containerPort: 9000 },
  ],
};
const ready = (probe: object) => decode(probing({ readinessProbe: probe }));
boundaries('TND-064', 'gpu', [
  ['the port of the engine', []],
  ...(['startupProbe', 'readinessProbe', 'livenessProbe'] as const).map(
    (kind) =>
      [
        `${kind} of another port`,
        [decode(probing({ [kind]: { httpGet: { port: 8100 }, periodSeconds: 10, failureThreshold: 180 } }))],
        { path: `${engine.decode}.${kind}.httpGet.port`, saw: 8100, want: '8000, the port of the engine' },
      ] as const,
  ),
  [
    'a socket of another port',
    [ready({ tcpSocket: { port: 1 } })],
    { path: `${engine.decode}.readinessProbe.tcpSocket.port` },
  ],
  ['a socket of the engine', [ready({ tcpSocket: { port: 8000 } })]],
  ['the port in words', [ready({ httpGet: { path: '/health', port: '8000' } })]],
  ['its name', [decode(probing(ports)), ready({ httpGet: { path: '/health', port: 'x' } })]],
  ...['/v1/models', '/health/', '/health?x=1', '/metrics', '/ping'].map(
    (path) => [`the path ${path}`, [ready({ httpGet: { path, port: 8000 } })]] as const,
  ),
  [
    'a path that the engine has not',
    [ready({ httpGet: { path: '/healthz', port: 8000 } })],
    {
      path: `${engine.decode}.readinessProbe.httpGet.path`,
      saw: '/healthz',
      want: /^\/health, or \/v1\/models, /,
      fix: 'set the path to /health',
      severity: 'warning',
    },
  ],
  ['no path, which means the root', [ready({ httpGet: { port: 8000 } })], { saw: '/' }],
  [
    'a path below another root',
    [ready({ httpGet: { path: '/llm/health', port: 8000 } }), decode(replaced({ 'root-path': '/llm' }))],
  ],
  ['another name', [decode(probing(ports)), ready({ httpGet: { port: 'y' } })], { saw: 'y' }],
  ['a name that nothing has', [ready({ httpGet: { port: 'z' } })], { saw: 'z' }],
  ['a command', [ready({ exec: { command: ['true'] } })]],
]);

const stop = (preStop: object, grace?: number): Edit =>
  decode((r) => {
    Object.assign(r.container, { lifecycle: { preStop } });
    if (grace !== undefined) Object.assign(r.pod, { terminationGracePeriodSeconds: grace });
  });
const shutdown = (seconds: string) => decode(replaced({ 'shutdown-timeout': seconds }));
const sh = (text: string) => ({ exec: { command: ['sh', '-c', text] } });
boundaries('TND-068', 'gpu', [
  ['neither', []],
  ['neither, and no grace', [decode((r) => Object.assign(r.pod, { terminationGracePeriodSeconds: 1 }))]],
  ['15 s of sleep in the usual 30', [stop({ sleep: { seconds: 15 } })]],
  [
    '16 s of sleep in the usual 30',
    [stop({ sleep: { seconds: 16 } })],
    {
      path: `${pod.decode}.terminationGracePeriodSeconds`,
      saw: 30,
      want: /^31 or more: 16 preStop, 0 shutdown/,
      fix: /to 31$/,
    },
  ],
  ['sleep in a command', [stop(sh('sleep 20; exit'))], { want: /^35 or more: 20 preStop/ }],
  ['several blanks', [stop(sh('sleep   20'))], { want: /20 preStop/ }],
  ['a word that ends like it', [stop(sh('oversleep 20'))]],
  ['no command', [stop({ exec: {} })]],
  ['a request', [stop({ httpGet: { port: 1 } })]],
  ['a shutdown of its own', [shutdown('15')]],
  ['a longer shutdown', [shutdown('16')], { want: /^31 or more: 0 preStop, 16 shutdown/ }],
  ['both', [shutdown('10'), stop({ sleep: { seconds: 10 } })], { want: /^35 or more: 10 preStop, 10 shutdown/ }],
  ['both in their grace', [shutdown('10'), stop({ sleep: { seconds: 10 } }, 35)]],
  ['both a second over it', [shutdown('10'), stop({ sleep: { seconds: 10 } }, 34)], { saw: 34 }],
]);

const leasing = (seconds: number) => prefill((r) => Object.assign(r.extra, { kv_lease_duration: seconds }));
const pausing = (seconds: number) => prefill(probing({ lifecycle: { preStop: { sleep: { seconds } } } }));
const version = (tag: string) => both((r) => Object.assign(r, { image: `vllm/vllm-openai:${tag}` }));
boundaries('TND-124', 'gpu', [
  ['no preStop', [leasing(60)]],
  ['as long as the lease', [leasing(60), pausing(60)]],
  [
    'a second shorter',
    [leasing(60), pausing(59)],
    { path: `${engine.prefill}.lifecycle.preStop`, saw: '59 s of sleep', want: /^60 s/, severity: 'warning' },
  ],
  ['the lease of new versions', [version('v0.22.0'), pausing(29)], { want: /^30 s/ }],
  ['just as long', [version('v0.22.0'), pausing(30)]],
  ['versions without a lease', [version('v0.21.0'), pausing(1)]],
  ['a version that is not known', [version('latest'), pausing(1)]],
  ['decode', [both((r) => Object.assign(r.extra, { kv_lease_duration: 60 })), stop({ sleep: { seconds: 1 } })]],
  ['another connector', [connector('MooncakeConnector'), leasing(60), pausing(1)]],
]);

const restarting =
  (restartGracePeriodSeconds: number): Edit =>
  (d) =>
    Object.assign(d.template, { restartGracePeriodSeconds });
boundaries('TND-125', 'gpu', [
  ['a small model', [restarting(1)]],
  ['at once', [model('a/x-30B'), restarting(0)]],
  ['nothing said', [model('a/x-30B')]],
  [
    'a second too short',
    [model('a/x-30B'), restarting(1799)],
    { path: 'spec.template.restartGracePeriodSeconds', saw: 1799, want: '1800, or 0', severity: 'warning' },
  ],
  ['just long enough', [model('a/x-30B'), restarting(1800)]],
  ['a larger model', [model('a/x-200B'), restarting(1800)], { want: '3600, or 0' }],
]);
boundaries('TND-125', 'npu', [['graphs alone', [restarting(60)]]]);

const gang =
  (minRoleReplicas: object): Edit =>
  (d) =>
    Object.assign(d.template, { gangPolicy: { minRoleReplicas } });
boundaries('TND-069', 'gpu', [
  ['no gang', []],
  ['both', [gang({ prefill: 1, decode: 1 })]],
  [
    'prefill alone',
    [gang({ prefill: 1 })],
    { path: 'spec.template.gangPolicy.minRoleReplicas', want: 'decode: 1', fix: 'add decode' },
  ],
  ['none of decode', [gang({ prefill: 1, decode: 0 })], { want: 'decode: 1' }],
  ['nobody', [gang({})], { want: 'prefill: 1' }, { want: 'decode: 1' }],
  [
    'a role that serves alone',
    [gang({ prefill: 1 }), decode((r) => Object.assign(r, { name: 'chat', config: undefined }))],
  ],
]);

boundaries('TND-070', 'gpu', [
  ['whole groups', []],
  ['roles', [spec({ recoveryPolicy: 'RoleRecreate' })], { path: 'spec.recoveryPolicy', saw: 'RoleRecreate' }],
  ['nothing said means roles', [spec({ recoveryPolicy: undefined })], { saw: 'RoleRecreate' }],
  ['roles with another connector', [connector('MooncakeConnector'), spec({ recoveryPolicy: 'RoleRecreate' })]],
  [
    'NIXL on decode alone',
    [spec({ recoveryPolicy: 'RoleRecreate' }), prefill((r) => Object.assign(r, { config: undefined }))],
  ],
]);

const onFailure = (policy: unknown) => config({ kv_load_failure_policy: policy });
boundaries('TND-075', 'gpu', [
  ['fail', [both(onFailure('fail'))]],
  [
    'recompute on decode',
    [decode(onFailure('recompute'))],
    { path: /^spec\.template\.roles\[1\].*args\[\d+\]$/, saw: /recompute$/ },
  ],
  ['recompute on prefill, which loads nothing', [prefill(onFailure('recompute'))]],
]);

const lease = (seconds: unknown) => decode((r) => Object.assign(r.extra, { kv_lease_duration: seconds }));
boundaries('TND-076', 'gpu', [
  ['none', []],
  ...[20, '20', 600].map((seconds) => [`${seconds} s`, [lease(seconds)]] as const),
  ...[19, 601, '0'].map(
    (s) => [`${s} s`, [lease(s)], { saw: `kv_lease_duration ${s} s`, want: '20 to 600 s' }] as const,
  ),
  ['no number', [lease('x')]],
  ['another connector', [connector('MooncakeConnector'), lease(1)]],
]);

const backend = (name: string) => (r: RoleDraft) => Object.assign(r.flags, { 'disaggregation-transfer-backend': name });
boundaries('TND-077', 'sglang', [
  ['mooncake', []],
  [
    'nixl on prefill',
    [prefill(backend('nixl'))],
    { path: /^spec\.template\.roles\[0\].*args\[\d+\]$/, saw: 'nixl', want: 'mooncake' },
  ],
  ['nixl on decode', [decode(backend('nixl'))]],
]);
boundaries('TND-077', 'gpu', [['vLLM', []]]);

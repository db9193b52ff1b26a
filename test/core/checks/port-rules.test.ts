/** Ports that two engines, or two parts of one, want at once. */
import { boundaries, engine } from './boundaries.js';
import { config, connector, decode, env, limits, onHost, prefill, replaced, spec } from './edits.js';
import { both, type RoleDraft } from './example.js';

const replicas = (count: number) => (r: RoleDraft) => Object.assign(r.role, { replicas: count });
const kvPort = (port: unknown) => decode(config({ kv_port: port }));

const declaring = (containerPort: number) => (r: RoleDraft) =>
  Object.assign(r.container, { ports: [{ containerPort: 9 }, { containerPort }] });
const apart = (required: unknown) => (r: RoleDraft) =>
  Object.assign(r.pod, {
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } },
  });
boundaries('TND-027', 'gpu', [
  ['the pod network', []],
  [
    'one of two pods on the host network',
    [decode(onHost)],
    { path: `${engine.decode}.ports`, saw: 'hostNetwork without port 8000 declared', severity: 'error' },
  ],
  ['both pods there', [both(onHost)], {}, {}],
  ['the port of the engine declared', [decode(onHost), decode(declaring(8000))]],
  ['another port declared', [decode(onHost), decode(declaring(8001))], {}],
  ['a whole node of 8', [decode(onHost), decode(limits({ 'nvidia.com/gpu': '8' }))]],
  ['7 of 8', [decode(onHost), decode(limits({ 'nvidia.com/gpu': '7' }))], {}],
  ['required anti-affinity', [decode(onHost), decode(apart([{}]))]],
  ['required anti-affinity of nothing', [decode(onHost), decode(apart([]))], {}],
  ['no required anti-affinity', [decode(onHost), decode(apart(undefined))], {}],
  ['affinity without it', [decode(onHost), decode((r) => Object.assign(r.pod, { affinity: {} }))], {}],
  ['a single pod', [decode(onHost), prefill(replicas(0))]],
  ['no group at all', [decode(onHost), spec({ replicas: 0 })]],
]);

const elsewhere = decode(replaced({ port: '8100' }));
const declared = [
  both(onHost),
  prefill(declaring(8000)),
  decode((r) => Object.assign(r.container, { ports: [{ containerPort: 8100 }] })),
];
const sideChannel = (port: string) => env({ VLLM_NIXL_SIDE_CHANNEL_PORT: port });
boundaries('TND-027', 'gpu', [
  ['API ports of their own, and nothing else', [elsewhere, ...declared]],
  [
    'one side channel for both roles',
    [elsewhere, ...declared, both(sideChannel('5600'))],
    {
      path: `${engine.decode}.ports`,
      saw: 'VLLM_NIXL_SIDE_CHANNEL_PORT 5600 on the host network',
      want: /^a port that the role prefill does not use/,
      severity: 'error',
    },
  ],
  ['side channels of their own', [elsewhere, ...declared, prefill(sideChannel('5600')), decode(sideChannel('5601'))]],
  [
    'one side channel that both declare',
    [
      elsewhere,
      both(onHost),
      both(sideChannel('5600')),
      prefill(declaring(8000)),
      both((r) =>
        Object.assign(r.container, { ports: [8000, 8100, 5600].map((containerPort) => ({ containerPort })) }),
      ),
    ],
  ],
  [
    'one of them on the pod network',
    [elsewhere, ...declared, both(sideChannel('5600')), prefill((r) => Object.assign(r.pod, { hostNetwork: false }))],
  ],
  ['one of them alone on its node', [elsewhere, ...declared, both(sideChannel('5600')), prefill(apart([{}]))]],
  [
    'both on one API port, which the scheduler keeps apart',
    [both(onHost), both(declaring(8000)), both(sideChannel('5600'))],
  ],
]);
const ofNodes = (type: string) => decode((r) => Object.assign(r.pod, { nodeSelector: { 'accelerator-type': type } }));
const dies = (count: string) => decode(limits({ 'huawei.com/Ascend910': count }));
boundaries('TND-027', 'npu', [
  [
    '8 NPUs, where nodes have 8 or 16',
    [decode(onHost), decode(limits({ 'huawei.com/ascend-1980': '8' }))],
    { severity: 'warning' },
  ],
  ['16 NPUs', [decode(onHost), decode(limits({ 'huawei.com/ascend-1980': '16' }))]],
  ['7 NPUs', [decode(onHost), decode(limits({ 'huawei.com/ascend-1980': '7' }))], { severity: 'error' }],
  ['8 dies of a node of 16', [decode(onHost), dies('8'), ofNodes('module-a3-16')], { severity: 'error' }],
  ['16 dies of a node of 16', [decode(onHost), dies('16'), ofNodes('module-a3-16')]],
  ['4 of a node of 4', [decode(onHost), dies('4'), ofNodes('half')]],
]);

const side = (port: string) => env({ VLLM_NIXL_SIDE_CHANNEL_PORT: port });
boundaries('TND-028', 'gpu', [
  ['nothing but the API port', []],
  ['a side channel of its own', [decode(side('5600'))]],
  [
    'the side channel on the API port',
    [decode(side('8000'))],
    { path: engine.decode, saw: 'VLLM_NIXL_SIDE_CHANNEL_PORT 8000', want: 'a port that is not the API port' },
  ],
  ['the ports beside it', [decode(side('8001')), decode(replaced({ 'master-port': '7999' }))]],
  ['a side channel of 0', [decode(side('0')), decode(replaced({ port: '0' }))]],
  [
    'the same number for the ranks and their master',
    [decode(replaced({ 'data-parallel-rpc-port': '9', 'master-port': '9' }))],
    { saw: '--master-port 9', want: 'a port that is not --data-parallel-rpc-port' },
  ],
  [
    'the meeting point of upstream Mooncake on the API port',
    [connector('MooncakeConnector'), prefill(env({ VLLM_MOONCAKE_BOOTSTRAP_PORT: '8000' }))],
    { path: engine.prefill, saw: 'VLLM_MOONCAKE_BOOTSTRAP_PORT 8000', want: 'a port that is not the API port' },
  ],
  [
    'where decode looks for it, which opens none',
    [connector('MooncakeConnector'), decode(env({ VLLM_MOONCAKE_BOOTSTRAP_PORT: '8000' }))],
  ],
  [
    'two ports of MoRI-IO in one',
    [connector('MoRIIOConnector'), decode((r) => Object.assign(r.extra, { handshake_port: '7', notify_port: '7' }))],
    { path: engine.decode, saw: 'notify_port 7', want: 'a port that is not handshake_port' },
  ],
  [
    'the API of the second rank',
    [decode(replaced({ 'data-parallel-external-lb': true, 'data-parallel-size-local': '2' })), decode(side('8001'))],
    { saw: 'VLLM_NIXL_SIDE_CHANNEL_PORT 8001', want: 'a port that is not the API port' },
  ],
  ['the side channel of another connector', [connector('MooncakeConnector'), decode(side('8000'))]],
  ['the kv_port of another connector', [decode(config({ kv_port: '8000' }))]],
]);
boundaries('TND-028', 'sglang', [
  [
    'the meeting point on the API port',
    [prefill(replaced({ 'disaggregation-bootstrap-port': '8000' }))],
    { path: engine.prefill, saw: '--disaggregation-bootstrap-port 8000' },
  ],
  ['the usual one', []],
]);
boundaries('TND-028', 'npu', [
  ['kv_port and its ranks before the API port', [kvPort('7998')]],
  ['the second rank on the API port', [kvPort('7999')], { saw: 'kv_port 7999', want: /the API port$/ }],
  ['kv_port just after the API port', [kvPort('8001')]],
]);

/** What makes one pod distinguishable from another: addresses, ports, engine ids, networks. */
import { boundaries, engine, pod } from './boundaries.js';
import { config, connector, decode, env, limits, onHost, prefill, replaced, spec, twice } from './edits.js';
import { both, type RoleDraft } from './example.js';

const host = 'VLLM_NIXL_SIDE_CHANNEL_HOST';
const variable = (name: string) => `${engine.decode}.env["${name}"]`;
const configAt = /^spec\.template\.roles\[1\].*args\[\d+\]$/;
const fromField = { valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } };
const without = (name: string) => (r: RoleDraft) => Reflect.deleteProperty(r.env, name);
const replicas = (count: number) => (r: RoleDraft) => Object.assign(r.role, { replicas: count });
const image = (name: string) => (r: RoleDraft) => Object.assign(r, { image: name });

boundaries('TND-024', 'gpu', [
  ['the address of the pod by reference', []],
  ['the address of the pod by field', [decode(env({ [host]: fromField }))]],
  ['a name of its own', [decode(env({ [host]: 'decode.default.svc' }))]],
  ...['0.0.0.0', 'localhost', 'LOCALHOST', '127.0.0.1', '127.1.2.3', '::', '::1', '[::]', '[::1]', ''].map(
    (value) => [`"${value}"`, [decode(env({ [host]: value }))], { path: variable(host), saw: value }] as const,
  ),
  ...['10.0.0.0.0', '10.127.0.1', 'localhost.example', 'my-localhost', '::12', 'a::1', '[::1]:80'].map(
    (value) => [`"${value}" is an address of somebody`, [decode(env({ [host]: value }))]] as const,
  ),
  ['nothing', [decode(without(host))], { saw: 'nothing, which means localhost', severity: 'warning' }],
  ['nothing, with another connector', [connector('MooncakeConnector'), decode(without(host))]],
]);

boundaries('TND-025', 'gpu', [
  ['one name for one pod', [decode(env({ [host]: 'd.svc' }))]],
  [
    'one name for two groups',
    [twice, decode(env({ [host]: 'd.svc' }))],
    { path: variable(host), saw: 'd.svc for 2 pods', severity: 'error' },
  ],
  [
    'one name for three instances',
    [decode(env({ [host]: 'd.svc' })), decode(replicas(3))],
    { saw: 'd.svc for 3 pods' },
  ],
  [
    'one name for two groups of three instances',
    [twice, decode(env({ [host]: 'd.svc' })), decode(replicas(3))],
    { saw: 'd.svc for 6 pods' },
  ],
  ['a reference', [twice]],
  ['what is local', [twice, decode(env({ [host]: '0.0.0.0' }))]],
  ['nothing', [twice, decode(without(host))]],
  ['another connector', [twice, connector('MooncakeConnector'), decode(env({ [host]: 'd.svc' }))]],
]);

const kvPort = (port: unknown) => decode(config({ kv_port: port }));
const npus = (count: number) =>
  decode((r) => {
    limits({ 'huawei.com/ascend-1980': String(count) })(r);
    replaced({ 'tensor-parallel-size': String(count) })(r);
  });
boundaries('TND-026', 'npu', [
  ['below the range', [kvPort('19000')]],
  ['the last rank just below the range', [kvPort(19_998)]],
  ['the last rank inside the range', [kvPort(19_999)], { path: configAt, saw: 'kv_port 19999', severity: 'warning' }],
  ['the first port of the range', [kvPort(20_000)], { want: /20000-27999$/, fix: /28000 or higher \(36000 on/ }],
  ['the last port of the range', [kvPort('27999')], { saw: 'kv_port 27999' }],
  ['the first port after the range', [kvPort('28000')]],
  ['8 NPUs', [npus(8), kvPort('28000')]],
  ['9 NPUs mean a node of 16', [npus(9), kvPort('28000')], { want: /20000-35999$/, fix: /36000 or higher$/ }],
  ['16 NPUs, after the range', [npus(16), kvPort('36000')]],
  ['16 NPUs, the last port', [npus(16), kvPort('35999')], { saw: 'kv_port 35999' }],
  ['the host network makes it certain', [kvPort('20001'), both(onHost)], { severity: 'error' }],
  ['no port', [kvPort(undefined)]],
]);
boundaries('TND-026', 'gpu', [['another connector', [kvPort('20001')]]]);

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
  ['the side channel of another connector', [connector('MooncakeConnector'), decode(side('8000'))]],
  ['the kv_port of another connector', [decode(config({ kv_port: '8000' }))]],
]);
boundaries('TND-028', 'npu', [
  ['kv_port and its ranks before the API port', [kvPort('7998')]],
  ['the second rank on the API port', [kvPort('7999')], { saw: 'kv_port 7999', want: /the API port$/ }],
  ['kv_port just after the API port', [kvPort('8001')]],
]);

const engineId = (id: unknown) => config({ engine_id: id });
boundaries('TND-039', 'gpu', [
  ['one pod with an id', [decode(engineId('x'))]],
  [
    'two groups',
    [twice, decode(engineId('x'))],
    { path: configAt, saw: 'engine_id "x" for 2 pods', severity: 'error' },
  ],
  ['two instances', [decode(engineId('x')), decode(replicas(2))], { saw: 'engine_id "x" for 2 pods' }],
  ['an id from the pod', [twice, decode(engineId('$(POD_NAME)'))]],
  [
    'both roles with one id',
    [both(engineId('x'))],
    { saw: 'engine_id "x" also on the role decode' },
    { saw: 'engine_id "x" also on the role prefill' },
  ],
  ['both roles with ids of their own', [decode(engineId('x')), prefill(engineId('y'))]],
  ['one id for two groups of both roles', [twice, both(engineId(7))], { saw: 'engine_id 7 for 2 pods' }, {}],
]);
boundaries('TND-039', 'npu', [
  ['an engine that appends to it', [twice, decode(engineId('x'))], { severity: 'warning' }],
  [
    'the first that does',
    [twice, decode(engineId('x')), both(image('quay.io/ascend/vllm-ascend:v0.12.0'))],
    { severity: 'warning' },
  ],
  [
    'one that does not yet',
    [twice, decode(engineId('x')), both(image('quay.io/ascend/vllm-ascend:v0.11.0'))],
    { severity: 'error' },
  ],
  [
    'one whose version is not known',
    [twice, decode(engineId('x')), both(image('quay.io/ascend/vllm-ascend'))],
    { severity: 'warning' },
  ],
]);

boundaries('TND-040', 'gpu', [
  ['no id', []],
  [
    'the name of the pod',
    [decode(engineId('$(POD_NAME)'))],
    { path: configAt, saw: '$(POD_NAME)', severity: 'warning' },
  ],
  ['in the words of a shell', [decode(engineId('a-$POD_NAME'))], { saw: 'a-$POD_NAME' }],
  ['in braces', [decode(engineId(`$\{POD_NAME}`))], {}],
  ['the uid of the pod, which is new as well', [decode(engineId('$(POD_UID)'))]],
  ['a number', [decode(engineId(1))]],
  ['another connector', [connector('MooncakeConnector'), decode(engineId('$(POD_NAME)'))]],
]);

const ranks = (p: unknown, d: unknown) => [prefill(config({ kv_rank: p })), decode(config({ kv_rank: d }))];
boundaries('TND-044', 'gpu', [
  ['0 and 1', ranks(0, 1)],
  ['equal', ranks(1, 1), { path: configAt, saw: 'kv_rank 1', severity: 'warning' }],
  ['equal, as number and as text', ranks(1, '1'), {}],
  ['on decode alone', ranks(undefined, 1)],
  ['on prefill alone', ranks(1, undefined)],
  ['no whole numbers', ranks(0.5, 0.5)],
  ['blank text', ranks(' ', ' ')],
]);

boundaries('TND-055', 'gpu', [
  ...(
    [
      ['10.0.0.1', true],
      ['fd00::1', true],
      ['[FD00::1]', true],
      ['1.2.3', false],
      ['1.2.3.4.5', false],
      ['a1.2.3.4', false],
      ['1234.1.1.1', false],
      ['192.168.100.200', true],
      ['dead-beef', false],
      ['host:80', false],
      ['fd00::1/64', false],
      ['127.0.0.1', false],
      ['0.0.0.0', false],
    ] as const
  ).map(
    ([value, isAddress]) =>
      [
        `${value} ${isAddress ? 'is' : 'is not'} the address of one pod`,
        [decode(env({ VLLM_HOST_IP: value }))],
        ...(isAddress ? [{ path: variable('VLLM_HOST_IP'), saw: value }] : []),
      ] as const,
  ),
  ['an address of NPUs', [decode(env({ HCCL_IF_IP: '10.0.0.1' }))], { path: variable('HCCL_IF_IP') }],
  ['an address on the side channel', [decode(env({ [host]: '10.0.0.1' }))], { path: variable(host) }],
  ['other variables', [decode(env({ MY_IP: '10.0.0.1' }))]],
  ['from a field', [decode(env({ VLLM_HOST_IP: fromField }))]],
]);

boundaries('TND-054', 'npu', [
  ['neither', []],
  ['both', [both(env({ HCCL_SOCKET_IFNAME: 'eth1' }))]],
  [
    'decode alone',
    [decode(env({ HCCL_IF_IP: fromField }))],
    { path: `${engine.prefill}.env["HCCL_IF_IP"]`, severity: 'error' },
  ],
  [
    'prefill alone',
    [prefill(env({ GLOO_SOCKET_IFNAME: 'eth1', TP_SOCKET_IFNAME: 'eth1' }))],
    { path: variable('GLOO_SOCKET_IFNAME') },
    { path: variable('TP_SOCKET_IFNAME') },
  ],
  [
    'decode alone, and each engine is one rank',
    [both(replaced({ 'tensor-parallel-size': '1' })), decode(env({ HCCL_SOCKET_IFNAME: 'eth1' }))],
    { severity: 'warning' },
  ],
  [
    'decode alone, and only prefill has several ranks',
    [decode(replaced({ 'tensor-parallel-size': '1' })), decode(env({ HCCL_SOCKET_IFNAME: 'eth1' }))],
    { severity: 'error' },
  ],
  ['the pod’s card', [both(env({ HCCL_SOCKET_IFNAME: 'eth0' }))]],
  [
    'the pod’s card on the host network',
    [both(env({ HCCL_SOCKET_IFNAME: 'eth0' })), decode(onHost)],
    { path: variable('HCCL_SOCKET_IFNAME'), saw: 'eth0', severity: 'warning' },
  ],
  ['another card on the host network', [both(env({ HCCL_SOCKET_IFNAME: 'bond0' })), decode(onHost)]],
]);
boundaries('TND-054', 'gpu', [['GPUs', [decode(env({ GLOO_SOCKET_IFNAME: 'eth1' }))]]]);

const listening = (host: string) => decode(replaced({ host }));
boundaries('TND-066', 'gpu', [
  ['everywhere, because nothing is said', []],
  ...['127.0.0.1', '127.0.1.1', 'localhost', '::1'].map(
    (name) =>
      [`on ${name}`, [listening(name)], { path: configAt, saw: `--host ${name}`, severity: 'warning' }] as const,
  ),
  ...['0.0.0.0', '10.127.0.1', 'localhost.example', 'my-localhost', '::', '::11', 'a::1'].map(
    (name) => [`on ${name}`, [listening(name)]] as const,
  ),
]);
boundaries('TND-066', 'sglang', [
  ['where it is told', []],
  [
    'at home, because nothing is said',
    [decode((r) => Reflect.deleteProperty(r.flags, 'host'))],
    { path: `${engine.decode}.args`, saw: '--host 127.0.0.1' },
  ],
]);

boundaries('TND-056', 'gpu', [
  ['the pod network', []],
  ['the host network', [decode(onHost)], { path: `${pod.decode}.dnsPolicy`, want: 'ClusterFirstWithHostNet' }],
]);

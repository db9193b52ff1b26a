/** What makes one pod distinguishable from another: addresses, ports, engine ids, networks. */
import { boundaries, engine, pod } from './boundaries.js';
import { config, connector, decode, env, limits, onHost, prefill, replaced, twice } from './edits.js';
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

const push = connector('NixlPushConnector');
const inside = (id: unknown, own: unknown) => (r: RoleDraft) => {
  r.config = { kv_connector: 'MultiConnector', kv_role: 'kv_both', engine_id: id };
  r.extra = { connectors: [{ kv_connector: 'NixlPushConnector', kv_role: 'kv_both', engine_id: own }] };
};
boundaries('TND-126', 'gpu', [
  ['a connector that pulls', []],
  [
    'a connector that pushes, and no id',
    [push],
    {
      path: `${engine.prefill}.args[7]`,
      saw: undefined,
      want: 'an id of each pod',
      severity: 'error',
      fix: 'set "engine_id" to "$(POD_NAME)" in --kv-transfer-config',
    },
  ],
  ['the name of the pod', [push, prefill(engineId('$(POD_NAME)'))]],
  ['an empty id', [push, prefill(engineId(' '))], { saw: ' ' }],
  ['a number', [push, prefill(engineId(1))], { saw: 1 }],
  ['an id of the MultiConnector around it', [prefill(inside('$(POD_NAME)', undefined))]],
  ['an id inside a MultiConnector', [prefill(inside(undefined, '$(POD_NAME)'))]],
  ['no id in or around it', [prefill(inside(undefined, undefined))], {}],
  [
    'a role that is neither side',
    [push, prefill((r) => Object.assign(r, { name: 'server' })), both(config({ kv_role: 'kv_both' }))],
    {},
  ],
  [
    'a shell script, which is read by guess',
    [
      push,
      prefill((r) =>
        Object.assign(r, {
          command: ['sh', '-c'],
          flags: {},
          config: undefined,
          container: {
            ...r.container,
            args: [`vllm serve m --kv-transfer-config '{"kv_connector":"NixlPushConnector","kv_role":"kv_producer"}'`],
          },
        }),
      ),
    ],
    { severity: 'warning' },
  ],
]);
boundaries('TND-039', 'gpu', [
  [
    'a literal id where the router must know it',
    [twice, push, prefill(engineId('x')), decode(engineId('y'))],
    { saw: 'engine_id "x" for 2 pods', fix: 'set "engine_id" to "$(POD_NAME)" in --kv-transfer-config' },
    { saw: 'engine_id "y" for 2 pods' },
  ],
  ['a literal id around a connector', [twice, prefill(inside('x', undefined))], { saw: 'engine_id "x" for 2 pods' }],
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

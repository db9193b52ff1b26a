/** What --kv-transfer-config says, beside the role, the other role and the arguments. */
import { boundaries, engine } from './boundaries.js';
import { config, connector, decode, env, prefill, replaced } from './edits.js';
import { both, type Edit, type RoleDraft } from './example.js';

const configAt = /^spec\.template\.roles\[1\].*args\[\d+\]$/;
const named = (name: string) => (r: RoleDraft) => Object.assign(r, { name });
const none = (r: RoleDraft) => Object.assign(r, { config: undefined });
const kvRole = (kv_role: unknown) => config({ kv_role });
const image = (name: string) => both((r) => Object.assign(r, { image: name }));
const hidden = (r: RoleDraft) => Object.assign(r, { command: ['/start.sh'], flags: {}, config: undefined });

/** The engine inside a shell script, which is read by guess. */
const script = (kv_connector: string) => (r: RoleDraft) => {
  const text = `vllm serve m --kv-transfer-config '${JSON.stringify({ ...r.config, kv_connector })}'`;
  Object.assign(r, { command: ['sh', '-c'], flags: {}, config: undefined });
  Object.assign(r.container, { args: [text] });
};

boundaries('TND-001', 'gpu', [
  ['one connector', []],
  [
    'two connectors',
    [decode(config({ kv_connector: 'MooncakeConnector' }))],
    { path: configAt, saw: 'MooncakeConnector', want: 'NixlConnector, as on prefill' },
  ],
  ['none on prefill', [prefill(none)], { saw: 'NixlConnector', want: 'no connector, as on prefill' }],
  ['a command that cannot be read, on either side', [decode(hidden)]],
  ['the same on prefill', [prefill(hidden)]],
  ['one command read by guess', [decode(script('MooncakeConnector'))], { severity: 'warning' }],
  ['none on decode', [decode(none)], { path: `${engine.decode}.args`, saw: undefined }],
]);

boundaries('TND-002', 'gpu', [
  ['what the names say', []],
  ['both, for either', [both(kvRole('kv_both'))]],
  [
    'a decode role that produces',
    [decode(kvRole('kv_producer'))],
    { path: configAt, saw: 'kv_producer', want: 'kv_consumer or kv_both for the role decode' },
  ],
  ['a prefill role that consumes', [prefill(kvRole('kv_consumer'))], { want: /^kv_producer or kv_both for/ }],
  ['names in capitals', [decode(named('Decode-b')), decode(kvRole('kv_producer'))], { want: /role Decode-b$/ }],
  ['a prefill role in capitals', [prefill(named('PREFILL')), prefill(kvRole('kv_consumer'))], {}],
  ['a name that says neither', [decode(named('role-decode')), decode(kvRole('kv_producer'))]],
  ['another name that says neither', [prefill(named('no-prefill')), prefill(kvRole('kv_consumer'))]],
  ['a third name', [decode(named('worker')), decode(kvRole('kv_consumer'))]],
  ['no kv_role', [decode(kvRole(undefined))], { saw: undefined }],
  [
    'no kv_role under any name',
    [decode(named('x')), decode(kvRole(undefined))],
    { want: /^kv_producer or kv_consumer or kv_both/ },
  ],
  ['an unknown kv_role', [decode(kvRole('kv_all'))], { saw: 'kv_all' }],
  ['no connector', [decode(none)]],
]);

const pure = ['MooncakeConnectorV1', 'MooncakeHybridConnector', 'MooncakeLayerwiseConnector'];
boundaries('TND-003', 'npu', [
  ['pure roles', []],
  ['a mixed decode', [decode(kvRole('kv_both'))], { path: configAt, saw: 'kv_both', want: 'kv_consumer' }],
  ['a mixed prefill', [prefill(kvRole('kv_both'))], { want: 'kv_producer', severity: 'warning' }],
  ['a role that serves alone', [decode(kvRole('kv_both')), decode(named('chat'))]],
  ...pure.map((name) => [name, [connector(name), decode(kvRole('kv_both'))], {}] as const),
]);
boundaries('TND-003', 'gpu', [
  ['NIXL', [both(kvRole('kv_both'))]],
  ['upstream Mooncake', [connector('MooncakeConnector'), decode(kvRole('kv_both'))], { want: 'kv_consumer' }],
]);

const sizes = (side: 'prefill' | 'decode', said: unknown) => (r: RoleDraft) => Object.assign(r.extra, { [side]: said });
boundaries('TND-015', 'npu', [
  ['the sizes of the arguments', []],
  ['the same as text', [both(sizes('decode', { tp_size: '2', dp_size: '1' }))]],
  [
    'another size, in one of the two configurations',
    [decode(sizes('prefill', { tp_size: 4, dp_size: 1 }))],
    {
      path: configAt,
      saw: 'prefill.tp_size 4',
      want: '2, as --tensor-parallel-size of the role prefill',
      fix: 'set prefill.tp_size to 2, or pass --tensor-parallel-size to prefill',
      severity: 'error',
    },
  ],
  [
    'a size that the arguments leave out',
    [decode(sizes('decode', { tp_size: 2, dp_size: 2 }))],
    { saw: 'decode.dp_size 2', want: '1, as --data-parallel-size of the role decode (absent means 1)' },
  ],
  ['a size that is left out', [decode(sizes('decode', { tp_size: 2 }))], { saw: 'decode.dp_size absent' }],
  ['a side that is left out', [decode(sizes('decode', undefined))], { saw: undefined, want: /^decode: \{/ }],
  ['a side that is no object', [decode(sizes('prefill', 2))], { saw: 2, want: /^prefill: \{/, severity: 'error' }],
  [
    'an image of 0.12',
    [image('quay.io/ascend/vllm-ascend:v0.12.0'), decode(sizes('decode', undefined))],
    { severity: 'error' },
  ],
  [
    'an image of 0.11',
    [image('quay.io/ascend/vllm-ascend:v0.11.0'), decode(sizes('decode', undefined))],
    { severity: 'warning' },
  ],
  [
    'an image of 1.0',
    [image('quay.io/ascend/vllm-ascend:1.0.0'), decode(sizes('decode', undefined))],
    { severity: 'error' },
  ],
  ['no version', [image('quay.io/ascend/vllm-ascend'), decode(sizes('decode', undefined))], { severity: 'warning' }],
  [
    'another member in one of the two configurations',
    [decode(sizes('prefill', { tp_size: 2, dp_size: 1, pp_size: 2 }))],
    {
      path: configAt,
      saw: 'prefill.pp_size 2',
      want: 'absent, as in the configuration of prefill',
      fix: 'write the same prefill.pp_size into both kv_connector_extra_config',
      severity: 'error',
    },
  ],
  [
    'a member of prefill alone',
    [prefill(sizes('decode', { tp_size: 2, dp_size: 1, pp_layer_partition: [1, 2] }))],
    { saw: 'decode.pp_layer_partition absent', want: '[1,2], as in the configuration of prefill' },
  ],
  ['a member with its default', [decode(sizes('prefill', { tp_size: 2, dp_size: 1, pp_size: 1 }))]],
  ['a member on both', [both(sizes('prefill', { tp_size: 2, dp_size: 1, pp_size: 2 }))]],
  ['a partner that cannot be read', [decode(hidden), prefill(sizes('decode', { tp_size: 9, dp_size: 9 }))]],
]);
boundaries('TND-015', 'gpu', [['a connector without sizes', []]]);

boundaries('TND-017', 'gpu', [
  ['known members', [decode(config({ kv_rank: 0, kv_buffer_size: 1, kv_port: '14579' }))]],
  ['a member that is not known', [decode(config({ kv_conector: 'x' }))], { path: configAt, saw: 'kv_conector' }],
  ['two of them', [decode(config({ a: 1, b: 2 }))], { saw: 'a' }, { saw: 'b' }],
  ...[1024, '1024', 65_535, '65535'].map((port) => [`port ${port}`, [decode(config({ kv_port: port }))]] as const),
  ...[1023, '1023', 65_536, '65536', 'x', 1024.5, '', null].map(
    (port) => [`port "${port}"`, [decode(config({ kv_port: port }))], { saw: port, want: /1024 to 65535/ }] as const,
  ),
  [
    'text that is no JSON',
    [
      decode((r) => Object.assign(r, { config: undefined })),
      decode(replaced({ 'kv-transfer-config': '{"kv_connector":' })),
    ],
    { path: configAt, want: 'one JSON object', severity: 'error' },
  ],
  ['no connector', [decode(none)]],
]);

const modulePath = (path: unknown): Edit => decode(config({ kv_connector_module_path: path }));
const moved = 'vllm_ascend.distributed.';
boundaries('TND-018', 'npu', [
  ...['mooncake_connector', 'llmdatadist_c_mgr_connector', 'llmdatadist', 'mooncake_layerwise_connector'].map(
    (name) => [name, [modulePath(moved + name)], { path: configAt, saw: moved + name }] as const,
  ),
  ['a module of one’s own', [modulePath('my.vllm_ascend.distributed.mooncake_connector')]],
  ['a module beneath', [modulePath(`${moved}mooncake_connector.v2`)]],
  ['where it lies today', [modulePath(`${moved}kv_transfer.mooncake_connector`)]],
  ['no text', [modulePath(1)]],
  ['an image of 0.10', [image('quay.io/ascend/vllm-ascend:v0.10.1'), modulePath(`${moved}mooncake_connector`)]],
  ['an image of 0.11', [image('quay.io/ascend/vllm-ascend:v0.11.0'), modulePath(`${moved}mooncake_connector`)], {}],
  ['no version', [image('quay.io/ascend/vllm-ascend'), modulePath(`${moved}mooncake_connector`)], {}],
]);

const id = (engine_id: string) => decode(config({ engine_id }));
boundaries('TND-019', 'gpu', [
  ['no variable', []],
  ['a variable of the container', [id('$(POD_NAME)'), decode(env({ POD_NAME: 'x' }))]],
  ['a variable of the controller', [id('$(ENTRY_ADDRESS)-$(WORKER_INDEX)')]],
  ['a variable that nobody sets', [id('$(NOBODY)')], { path: configAt, saw: '$(NOBODY)', fix: 'define NOBODY in env' }],
  [
    'the words of a shell, although it is set',
    [id('a-$POD_NAME-b'), decode(env({ POD_NAME: 'x' }))],
    { saw: '$POD_NAME', want: '$(POD_NAME) with POD_NAME in env', fix: 'write $(POD_NAME) and define POD_NAME' },
  ],
  ['braces', [id(['$', '{POD_NAME}'].join('')), decode(env({ POD_NAME: 'x' }))], { want: /^\$\(POD_NAME\) with/ }],
  [
    'a variable that envFrom may set',
    [id('$(SOMEBODY)'), decode((r) => Object.assign(r.container, { envFrom: [{ configMapRef: { name: 'x' } }] }))],
  ],
  ['a variable of one before it', [decode(env({ A: 'x', B: '$(A)' }))]],
  [
    'a variable of one after it',
    [decode(env({ A: '$(B)', B: 'x' }))],
    { path: `${engine.decode}.env["A"]`, saw: '$(B)', want: 'B defined earlier in env', fix: 'move B before A' },
  ],
  ['a variable of one that is nowhere', [decode(env({ A: '$(NOWHERE)' }))]],
  ['a price', [id('5 $ or $-')]],
  ['no connector', [decode(none)]],
]);

boundaries('TND-020', 'gpu', [
  ['one of each', []],
  [
    'two of one side',
    [decode(named('prefill-b')), decode(kvRole('kv_producer'))],
    { path: 'spec.template.roles', saw: '2 prefill and 0 decode roles', fix: /of demo$/ },
  ],
  [
    'two of the other',
    [prefill(named('decode-b')), prefill(kvRole('kv_consumer'))],
    { saw: '0 prefill and 2 decode roles' },
  ],
  [
    'decode beside one that serves alone',
    [prefill(named('chat')), prefill(none)],
    { saw: '0 prefill and 1 decode roles' },
  ],
  [
    'prefill beside one that serves alone',
    [decode(named('chat')), decode(none)],
    { saw: '1 prefill and 0 decode roles' },
  ],
  ['no sides', [prefill(named('a')), prefill(none), decode(named('b')), decode(none)]],
]);

const scheduler = (text: string) => replaced({ 'additional-config': text });
const enabled = '{"recompute_scheduler_enable": true}';
boundaries('TND-074', 'npu', [
  ['on decode', [decode(scheduler(enabled))]],
  [
    'on prefill',
    [prefill(scheduler(enabled))],
    { saw: 'kv_producer', want: 'kv_role kv_consumer', severity: 'warning' },
  ],
  [
    'on a mixed role',
    [decode(scheduler(enabled)), decode(kvRole('kv_both'))],
    { path: configAt, saw: 'kv_both', severity: 'error' },
  ],
  ['without a connector', [decode(scheduler(enabled)), decode(none)], { saw: undefined, severity: 'error' }],
  ['as Python writes it', [prefill(scheduler('{"recompute_scheduler_enable"  :  True}'))], {}],
  ['without blanks', [prefill(scheduler('{"recompute_scheduler_enable":true}'))], {}],
  ['switched off', [prefill(scheduler('{"recompute_scheduler_enable":false}'))]],
]);
boundaries('TND-074', 'gpu', [['another engine', [prefill(scheduler(enabled))]]]);

boundaries('TND-119', 'gpu', [
  ['an argument list', []],
  [
    'a script of one’s own',
    [decode(hidden)],
    { path: `${engine.decode}.command`, saw: 'a command of vllm that is not understood' },
  ],
]);

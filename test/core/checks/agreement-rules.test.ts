/** What prefill and decode must say alike: models, formats, sizes of blocks, hashes, transports. */
import { boundaries, engine, type Row } from './boundaries.js';
import { config, connector, decode, env, lmcache, prefill, replaced } from './edits.js';
import { both, type RoleDraft } from './example.js';

const flagAt = /^spec\.template\.roles\[1\].*args\[\d+\]$/;
const argsAt = `${engine.decode}.args`;
const image = (name: unknown) => (r: RoleDraft) => Object.assign(r, { image: name });
const extra = (more: object) => (r: RoleDraft) => Object.assign(r.extra, more);
const dropped = (flag: string) => (r: RoleDraft) => Reflect.deleteProperty(r.flags, flag);

/** A flag on both sides, on one, or on neither. A default that both mean is no difference. */
const flagRows = (flag: string, one: string, other: string, usual?: string): Row[] => [
  [`--${flag} alike`, [both(replaced({ [flag]: one }))]],
  [
    `--${flag} ${one} and ${other}`,
    [prefill(replaced({ [flag]: one })), decode(replaced({ [flag]: other }))],
    {
      path: flagAt,
      saw: `--${flag} ${other}`,
      want: `${one}, as on prefill`,
      fix: `give both roles the same --${flag}`,
    },
  ],
  [
    `--${flag} on prefill alone`,
    [prefill(replaced({ [flag]: one }))],
    { path: argsAt, saw: `--${flag} absent`, want: `${one}, as on prefill`, severity: 'warning' },
  ],
  [
    `--${flag} on decode alone`,
    [decode(replaced({ [flag]: one }))],
    { path: flagAt, saw: `--${flag} ${one}`, want: 'absent, as on prefill', severity: 'warning' },
  ],
  ...(usual === undefined
    ? []
    : [
        [`--${flag} ${usual} on decode alone`, [decode(replaced({ [flag]: usual }))]] as const,
        [`--${flag} ${usual} on prefill alone`, [prefill(replaced({ [flag]: usual }))]] as const,
      ]),
];

boundaries('TND-006', 'gpu', [
  ['one engine', []],
  ['one engine in two builds', [decode(image('quay.io/ascend/vllm-ascend:v0.12.0'))]],
]);

boundaries('TND-007', 'gpu', [
  ['one image', []],
  [
    'two images',
    [decode(image('vllm/vllm-openai:v0.11.0'))],
    { path: `${engine.decode}.image`, saw: 'vllm/vllm-openai:v0.11.0', want: /^vllm\/vllm-openai:v0\.12\.0, as/ },
  ],
]);

boundaries('TND-008', 'gpu', [
  ['one model', []],
  [
    'two models',
    [decode(replaced({ model: 'a/b' }))],
    { path: flagAt, saw: 'a/b', want: 'Qwen/Qwen3-0.6B, as on prefill' },
  ],
  ['no model on decode', [decode(dropped('model'))]],
  ['no model on prefill', [prefill(dropped('model'))]],
  ['one revision', [both(replaced({ revision: 'x' }))]],
  ['a revision on decode alone', [decode(replaced({ revision: 'x' }))], { path: flagAt, saw: 'x', want: /^none/ }],
  [
    'a revision on prefill alone',
    [prefill(replaced({ revision: 'x' }))],
    { path: argsAt, saw: undefined, want: /^x,/ },
  ],
]);

const names = (p: string | undefined, d: string | undefined) =>
  [prefill, decode].map((on, i) => {
    const name = [p, d][i];
    return on(name === undefined ? dropped('served-model-name') : replaced({ 'served-model-name': name }));
  });
boundaries('TND-009', 'gpu', [
  ['one name', names('a', 'a')],
  ['two names', names('a', 'b'), { path: flagAt, saw: 'b', want: 'a, as on prefill', severity: 'error' }],
  ['none said: both serve the model under its own name', names(undefined, undefined)],
  ['a name on one side alone', names('a', undefined), {}],
  ['a model without name on decode', [...names('a', undefined), decode(dropped('model'))]],
  ['a model without name on prefill', [...names(undefined, 'a'), prefill(dropped('model'))]],
]);

boundaries('TND-010', 'gpu', [
  ...flagRows('dtype', 'float16', 'bfloat16', 'auto'),
  ...flagRows('kv-cache-dtype', 'fp8', 'int8', 'auto'),
  ...flagRows('quantization', 'awq', 'gptq'),
]);
const attention = (name: string) => env({ VLLM_ATTENTION_BACKEND: name });
const attentionAt = `${engine.decode}.env["VLLM_ATTENTION_BACKEND"]`;
boundaries('TND-010', 'gpu', [
  ['one attention backend', [both(attention('FLASHINFER'))]],
  [
    'two attention backends',
    [prefill(attention('FLASHINFER')), decode(attention('FLASH_ATTN'))],
    {
      path: attentionAt,
      saw: 'attention backend FLASH_ATTN',
      want: 'FLASHINFER, as on prefill',
      fix: /--attention-backend or VLLM_ATTENTION_BACKEND$/,
      severity: 'warning',
    },
  ],
  [
    'one on prefill alone',
    [prefill(attention('FLASHINFER'))],
    { path: attentionAt, saw: /absent$/, severity: 'warning' },
  ],
  [
    'the same as flag and as variable',
    [prefill(attention('FLASHINFER')), decode(replaced({ 'attention-backend': 'FLASHINFER' }))],
  ],
  [
    'the flag counts before the variable',
    [both(attention('FLASHINFER')), decode(replaced({ 'attention-backend': 'FLASH_ATTN' }))],
    { path: flagAt, saw: /FLASH_ATTN$/, severity: 'warning' },
  ],
  ['from a ConfigMap', [prefill(attention('X')), decode(env({ VLLM_ATTENTION_BACKEND: { valueFrom: {} } }))]],
]);
boundaries('TND-010', 'sglang', [
  ['SGLang may choose for each side', [decode(replaced({ 'attention-backend': 'fa3' }))]],
]);
boundaries('TND-011', 'gpu', [
  ['vLLM blocks alike', [both(replaced({ 'block-size': '16' }))]],
  [
    'vLLM blocks of 16 and 32',
    [prefill(replaced({ 'block-size': '16' })), decode(replaced({ 'block-size': '32' }))],
    { saw: '--block-size 32', severity: 'warning' },
  ],
  ['pages are not the word of vLLM', [decode(replaced({ 'page-size': '32' }))]],
]);
boundaries('TND-011', 'sglang', [
  ...flagRows('page-size', '1', '64'),
  ['blocks are not the word of SGLang', [decode(replaced({ 'block-size': '32' }))]],
  [
    '64 and 1',
    [prefill(replaced({ 'page-size': '64' })), decode(replaced({ 'page-size': '1' }))],
    { severity: 'error' },
  ],
]);

const managers = ['disable-hybrid-kv-cache-manager', 'no-disable-hybrid-kv-cache-manager'];
boundaries('TND-012', 'gpu', [
  ['nothing said', []],
  ...managers.map((flag) => [`--${flag} on both`, [both(replaced({ [flag]: true }))]] as const),
  ...managers.map(
    (flag) => [`--${flag} on decode`, [decode(replaced({ [flag]: true }))], { saw: `--${flag} true` }] as const,
  ),
  ['cross-layer blocks on both', [both(extra({ enable_cross_layers_blocks: true }))]],
  [
    'cross-layer blocks on decode',
    [decode(extra({ enable_cross_layers_blocks: true }))],
    { path: flagAt, saw: true, want: /^enable_cross_layers_blocks undefined, as/ },
  ],
]);

const lengths = (flag: string): Row[] => {
  const of = (length: string) => replaced({ [flag]: length });
  return [
    ['equal', [both(of('4096'))]],
    ['decode longer', [prefill(of('4096')), decode(of('4097'))]],
    ['decode shorter', [prefill(of('4096')), decode(of('4095'))], { path: flagAt, saw: 4095, want: '4096 or more' }],
    ['on prefill alone', [prefill(of('4096'))]],
    ['on decode alone', [decode(of('4096'))]],
    ['with a unit on decode', [prefill(of('4096')), decode(of('4k'))]],
    ['with a unit on prefill', [prefill(of('x4')), decode(of('1'))]],
  ];
};
boundaries('TND-014', 'gpu', lengths('max-model-len'));
boundaries('TND-014', 'sglang', lengths('context-length'));

boundaries('TND-016', 'gpu', [
  ...flagRows('tokenizer-mode', 'slow', 'mistral', 'auto'),
  ...flagRows('chat-template', '/a', '/b'),
  ...flagRows('tokenizer', 'a', 'b'),
  ...flagRows('tool-call-parser', 'hermes', 'llama3_json'),
  ...flagRows('reasoning-parser', 'deepseek_r1', 'qwen3'),
]);
boundaries('TND-016', 'sglang', [...flagRows('tool-call-parser', 'qwen25', 'llama3')]);

const seed = (value: string) => env({ PYTHONHASHSEED: value });
const seedAt = `${engine.decode}.env["PYTHONHASHSEED"]`;
const fromConfigMap = (r: RoleDraft) => Object.assign(r.container, { envFrom: [{ configMapRef: { name: 'x' } }] });
const seedIn = (name: string) => env({ PYTHONHASHSEED: { valueFrom: { configMapKeyRef: { name, key: 'seed' } } } });
boundaries('TND-041', 'gpu', [
  ['not needed, not set', []],
  ['not needed, on one side', [decode(seed('0'))]],
  [
    'not needed, two numbers',
    [prefill(seed('0')), decode(seed('1'))],
    { path: seedAt, saw: '1', want: '0, as on prefill', severity: 'warning' },
  ],
  ['not needed, one number', [both(seed('0'))]],
  ['not needed, no number on decode', [prefill(seed('0')), decode(seed('random'))]],
  ['not needed, no number on prefill', [prefill(seed('random')), decode(seed('0'))]],
  ['needed, one number', [lmcache, both(seed('17'))]],
  ['needed, where a ConfigMap may set it', [lmcache, prefill(fromConfigMap), decode(seed('0'))]],
  ['needed, from a ConfigMap', [lmcache, both(env({ PYTHONHASHSEED: { valueFrom: { configMapKeyRef: {} } } }))]],
  [
    'needed, of no use beside what is in a ConfigMap',
    [lmcache, both(fromConfigMap), both(seed('random'))],
    { severity: 'error' },
  ],
  ['needed, not set', [lmcache], { saw: undefined, want: 'one number on both roles', severity: 'error' }],
  ['needed, on prefill alone', [lmcache, prefill(seed('0'))], { want: '0, as on prefill', severity: 'error' }],
  ['needed, on decode alone', [lmcache, decode(seed('0'))], { saw: '0', want: 'one number on both roles' }],
  [
    'needed, from a ConfigMap',
    [lmcache, both(env({ PYTHONHASHSEED: { valueFrom: { configMapKeyRef: { name: 'x', key: 'seed' } } } }))],
  ],
  [
    'needed, perhaps in envFrom',
    [lmcache, both((r) => Object.assign(r.container, { envFrom: [{ configMapRef: { name: 'x' } }] }))],
  ],
  [
    'needed, from two ConfigMaps',
    [lmcache, prefill(seedIn('a')), decode(seedIn('b'))],
    {
      path: seedAt,
      saw: 'ConfigMap b, key seed',
      want: 'the same number as ConfigMap a, key seed on prefill',
      severity: 'warning',
    },
  ],
  [
    'needed, from a ConfigMap on one side',
    [lmcache, prefill(seed('0')), decode(seedIn('b'))],
    { saw: 'ConfigMap b, key seed', want: 'the same number as 0 on prefill' },
  ],
  ['not needed, from two ConfigMaps', [prefill(seedIn('a')), decode(seedIn('b'))]],
  ['needed, no number', [lmcache, both(seed('random'))], { severity: 'error' }],
  ['needed, no whole number', [lmcache, both(seed('1.5'))], {}],
  ['needed on prefill alone', [connector('LMCacheConnectorV1'), prefill(config({ kv_role: 'kv_both' }))], {}],
]);

boundaries('TND-042', 'gpu', [
  ...flagRows('prefix-caching-hash-algo', 'sha256', 'builtin'),
  [
    'another size of chunks, where a ConfigMap may say the same',
    [decode(env({ LMCACHE_CHUNK_SIZE: '1' })), prefill(fromConfigMap)],
  ],
  [
    'another size of chunks',
    [decode(env({ LMCACHE_CHUNK_SIZE: '1' }))],
    { saw: '1', want: 'LMCACHE_CHUNK_SIZE absent, as on prefill' },
  ],
  [
    'another hash',
    [prefill(env({ LMCACHE_PRE_CACHING_HASH_ALGORITHM: 'x' }))],
    { saw: undefined, want: /ALGORITHM x,/ },
  ],
]);

const pool = (backend?: string) => (r: RoleDraft) =>
  Object.assign(r, {
    config: { kv_connector: 'AscendStoreConnector', kv_role: r.config?.['kv_role'] },
    extra: backend === undefined ? {} : { backend },
  });
const besidePool = (backend: string) => (r: RoleDraft) => {
  const store = { kv_connector: 'AscendStoreConnector', kv_connector_extra_config: { backend } };
  r.extra = { connectors: [{ ...r.config, kv_connector_extra_config: r.extra }, store] };
  r.config = { kv_connector: 'MultiConnector', kv_role: r.config?.['kv_role'] };
};
const master = (address: string) => env({ MOONCAKE_MASTER: address });
boundaries('TND-042', 'npu', [
  ['one pool', [both(pool('memcache'))]],
  ['one pool, once by default', [prefill(pool('mooncake')), decode(pool())]],
  [
    'two pools',
    [prefill(pool('mooncake')), decode(pool('memcache'))],
    { path: flagAt, saw: 'backend memcache', want: 'mooncake, as on prefill', severity: 'warning' },
  ],
  ['two pools, once by default', [prefill(pool('yuanrong')), decode(pool())], { saw: 'backend mooncake' }],
  [
    'two pools beside the transfer',
    [prefill(besidePool('mooncake')), decode(besidePool('yuanrong'))],
    { path: flagAt, saw: 'backend yuanrong', want: 'mooncake, as on prefill' },
  ],
  ['one pool beside the transfer', [both(besidePool('yuanrong'))]],
  ['a pool on decode alone', [decode(besidePool('yuanrong'))]],
  ['one master', [both(pool()), both(master('a:50088'))]],
  [
    'two masters',
    [both(pool()), prefill(master('a:50088')), decode(master('b:50088'))],
    { path: `${engine.decode}.env["MOONCAKE_MASTER"]`, saw: 'b:50088', want: 'a:50088, as on prefill' },
  ],
  ['a master on prefill alone', [both(pool()), prefill(master('a:50088'))]],
  ['two masters of nothing', [prefill(master('a:50088')), decode(master('b:50088'))]],
]);

const transport = [
  'UCX_TLS',
  'UCX_NET_DEVICES',
  'NCCL_IB_GID_INDEX',
  'HCCL_INTRA_ROCE_ENABLE',
  'ASCEND_ENABLE_USE_FABRIC_MEM',
];
boundaries('TND-053', 'gpu', [
  ...transport.map((name) => [`${name} on both`, [both(env({ [name]: 'x' }))]] as const),
  ...transport.map(
    (name) =>
      [
        `${name} on decode`,
        [decode(env({ [name]: 'x' }))],
        { path: `${engine.decode}.env["${name}"]`, saw: 'x' },
      ] as const,
  ),
  ['from a field on decode', [prefill(env({ UCX_TLS: 'x' })), decode(env({ UCX_TLS: { valueFrom: {} } }))]],
  ['from a field on prefill', [prefill(env({ UCX_TLS: { valueFrom: {} } })), decode(env({ UCX_TLS: 'x' }))]],
]);

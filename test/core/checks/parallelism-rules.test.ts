/** The sizes that each connector can connect. */
import { boundaries } from './boundaries.js';
import { connector, decode, env, prefill, replaced } from './edits.js';
import { both, type Edit } from './example.js';

const tp = (p: number, d: number, flag = 'tensor-parallel-size'): Edit[] => [
  prefill(replaced({ [flag]: String(p) })),
  decode(replaced({ [flag]: String(d) })),
];
const mla = both(replaced({ model: 'deepseek-ai/DeepSeek-V3' }));

const context = (size: string) => replaced({ 'prefill-context-parallel-size': size });
boundaries('TND-029', 'npu', [
  ['equal sizes', tp(4, 4)],
  ['prefill twice as large', tp(4, 2)],
  ['prefill three times as large', tp(6, 2)],
  [
    'prefill larger, no multiple',
    tp(3, 2),
    { path: /roles\[1\].*\.args\[\d+\]$/, saw: 2, want: 'a divisor of 3, the size of prefill', severity: 'error' },
  ],
  ['prefill smaller', tp(2, 4), { saw: 4 }],
  ['pipelines on prefill', [prefill(replaced({ 'pipeline-parallel-size': '2' }))]],
  ['a pipeline of one on decode', [decode(replaced({ 'pipeline-parallel-size': '1' }))]],
  [
    'a pipeline of two on decode',
    [decode(replaced({ 'pipeline-parallel-size': '2' }))],
    { saw: 2, want: '1 on decode', fix: 'remove --pipeline-parallel-size from decode' },
  ],
  ['context parallelism on both', [both(context('2'))]],
  [
    'context parallelism beside a pipeline on prefill',
    [prefill(context('2')), prefill(replaced({ 'pipeline-parallel-size': '2' }))],
    {
      path: /roles\[0\].*\.args\[\d+\]$/,
      saw: 2,
      want: '1 beside --pipeline-parallel-size 2',
      fix: 'remove --prefill-context-parallel-size or --pipeline-parallel-size',
      severity: 'error',
    },
  ],
  ['a context of one beside a pipeline', [prefill(context('1')), prefill(replaced({ 'pipeline-parallel-size': '2' }))]],
  [
    'context parallelism on a decode that is pushed to',
    [connector('MooncakeLayerwiseConnector'), both(context('2'))],
    { path: /roles\[1\]/, saw: 2, want: '1 on decode' },
  ],
  ['context parallelism on a prefill that pushes', [connector('MooncakeLayerwiseConnector'), prefill(context('2'))]],
]);
boundaries('TND-029', 'gpu', [
  ['another connector', [...tp(2, 4), decode(replaced({ 'pipeline-parallel-size': '2' }))]],
]);

boundaries('TND-030', 'gpu', [
  ['equal sizes', tp(2, 2)],
  ['decode twice as large', tp(2, 4)],
  ['decode larger, no multiple', tp(2, 3), { saw: 3, want: /^a multiple of 2/, severity: 'error' }],
  ['decode smaller', tp(4, 2), { saw: 2, want: /^a multiple of 4/, severity: 'error' }],
  ['decode smaller, and KV is the same on every rank', [...tp(4, 2), mla], { severity: 'warning' }],
  ['NIXL push', [connector('NixlPushConnector'), ...tp(4, 2)], { severity: 'error' }],
  ['another connector', [connector('SharedStorageConnector'), ...tp(4, 2)]],
]);

boundaries('TND-031', 'gpu', [
  ['equal sizes', [connector('MooncakeConnector'), ...tp(2, 2)]],
  ['decode larger', [connector('MooncakeConnector'), ...tp(2, 4)], { saw: 4, want: /^2,/, severity: 'warning' }],
  ['prefill larger', [connector('MooncakeConnector'), ...tp(4, 2)], { saw: 2, severity: 'warning' }],
  ['decode larger, no multiple', [connector('MooncakeConnector'), ...tp(2, 3)], { severity: 'error' }],
  ['prefill larger, no multiple', [connector('MooncakeConnector'), ...tp(3, 2)], { severity: 'error' }],
  ['another connector', tp(2, 3)],
]);

boundaries('TND-032', 'gpu', [
  ['equal sizes', [connector('P2pNcclConnector'), ...tp(2, 2)]],
  ['a multiple', [connector('P2pNcclConnector'), ...tp(2, 4)], { saw: 4, want: /^2,/ }],
  ['another connector', tp(2, 4)],
]);

const staging = { SGLANG_DISAGG_STAGING_BUFFER: '1' };
boundaries('TND-033', 'sglang', [
  ['equal sizes', tp(2, 2, 'tp-size')],
  ['different sizes', tp(2, 4, 'tp-size'), { path: /roles\[1\].*\.args\[\d+\]$/, saw: 4, want: /^2,/ }],
  [
    'different sizes, and KV is the same on every rank',
    [...tp(2, 4, 'tp-size'), both(replaced({ 'model-path': 'deepseek-ai/DeepSeek-R1' }))],
  ],
  ['different sizes with buffers on both', [...tp(2, 4, 'tp-size'), both(env(staging))]],
  ['different sizes with a buffer on one', [...tp(2, 4, 'tp-size'), decode(env(staging))], { saw: 4 }],
  ['a pipeline on prefill alone', [prefill(replaced({ 'pp-size': '2' }))]],
  ['equal pipelines', [both(replaced({ 'pp-size': '2' }))]],
  [
    'a pipeline on decode alone',
    [decode(replaced({ 'pp-size': '2' }))],
    { path: /roles\[1\].*\.args\[\d+\]$/, saw: 2, want: '1, as on prefill', severity: 'warning' },
  ],
  [
    'another pipeline on decode',
    [prefill(replaced({ 'pp-size': '4' })), decode(replaced({ 'pp-size': '2' }))],
    { saw: 2, want: '1 or 4, as on prefill' },
  ],
  ['context parallelism on prefill', [prefill(replaced({ 'attn-cp-size': '2' }))]],
  [
    'context parallelism on decode',
    [decode(replaced({ 'attn-cp-size': '2' }))],
    { saw: 2, want: '1 on decode', fix: 'remove --attn-cp-size from decode' },
  ],
  ['the same by its long name', [decode(replaced({ 'attention-context-parallel-size': '2' }))], { saw: 2 }],
]);
boundaries('TND-033', 'gpu', [['another engine', tp(2, 4)]]);

/** Speculative decoding on both sides: methods, and tokens that are drafted. */
import { boundaries, engine } from './boundaries.js';
import { decode, prefill, replaced } from './edits.js';
import { both } from './example.js';

const flagAt = /^spec\.template\.roles\[1\].*args\[\d+\]$/;
const argsAt = `${engine.decode}.args`;

const speculating = (config: string) => replaced({ 'speculative-config': config });
boundaries('TND-013', 'gpu', [
  ['none', []],
  ['one method', [both(speculating('{"method":"eagle3"}'))]],
  [
    'on decode alone',
    [decode(speculating('{"method":"mtp"}'))],
    { path: flagAt, saw: 'mtp', want: 'none, as on prefill', severity: 'error' },
  ],
  ['on prefill alone', [prefill(speculating('{"method":"mtp"}'))], { path: argsAt, saw: undefined, want: /^mtp,/ }],
  [
    'two methods',
    [prefill(speculating('{"method":"mtp"}')), decode(speculating('{"method":"eagle"}'))],
    { saw: 'eagle' },
  ],
  ...['ngram', 'suffix'].map(
    (method) => [`${method} has no KV`, [decode(speculating(JSON.stringify({ method })))]] as const,
  ),
  ['a method that is no text', [decode(speculating('{"method":1}'))]],
  ['no method', [decode(speculating('{"model":"x"}'))]],
  ['no JSON', [decode(speculating('{'))]],
  ['no object', [decode(speculating('[]'))]],
  ['null', [decode(speculating('null'))]],
]);

const dotted = (more: object) =>
  replaced(Object.fromEntries(Object.entries(more).map(([name, value]) => [`speculative-config.${name}`, value])));
boundaries('TND-013', 'gpu', [
  [
    'one method, as JSON and as a dotted flag',
    [prefill(speculating('{"method":"mtp"}')), decode(dotted({ method: 'mtp' }))],
  ],
  [
    'a dotted flag on decode alone',
    [decode(dotted({ method: 'mtp' }))],
    { path: flagAt, saw: 'mtp', severity: 'error' },
  ],
  ['ngram in a dotted flag', [decode(dotted({ method: 'ngram' }))]],
]);
const algorithm = (name: string) => replaced({ 'speculative-algorithm': name });
boundaries('TND-013', 'sglang', [
  ['one algorithm by two names', [prefill(algorithm('EAGLE')), decode(algorithm('NEXTN'))]],
  [
    'two algorithms',
    [prefill(algorithm('EAGLE')), decode(algorithm('EAGLE3'))],
    { path: flagAt, saw: 'EAGLE3', want: 'EAGLE, as on prefill', fix: /--speculative-algorithm$/, severity: 'warning' },
  ],
  ['on prefill alone', [prefill(algorithm('EAGLE'))], { path: argsAt, saw: undefined, severity: 'warning' }],
  ['NGRAM has no KV', [decode(algorithm('NGRAM'))]],
  ['the flag of vLLM', [decode(speculating('{"method":"mtp"}'))]],
]);
const drafting = (count: unknown) => speculating(JSON.stringify({ method: 'mtp', num_speculative_tokens: count }));
boundaries('TND-013', 'npu', [
  ['one token on prefill, more on decode', [prefill(drafting(1)), decode(drafting(3))]],
  ['as many, as models with Mamba layers need', [both(drafting(2))]],
  [
    'two on prefill, three on decode',
    [prefill(drafting(2)), decode(drafting(3))],
    {
      path: /^spec\.template\.roles\[0\].*args\[\d+\]$/,
      saw: 'num_speculative_tokens 2',
      want: /^1, or 3/,
      severity: 'error',
    },
  ],
  [
    'in dotted flags',
    [
      both(dotted({ method: 'mtp' })),
      prefill(dotted({ num_speculative_tokens: '2' })),
      decode(dotted({ num_speculative_tokens: '1' })),
    ],
    { path: /^spec\.template\.roles\[0\].*args\[\d+\]$/, saw: 'num_speculative_tokens 2' },
  ],
  ['none said on decode', [prefill(drafting(2)), decode(drafting(undefined))]],
  ['none said on prefill', [prefill(drafting(undefined)), decode(drafting(2))]],
]);
boundaries('TND-013', 'gpu', [['other engines', [prefill(drafting(2)), decode(drafting(3))]]]);

/** What a ModelServer says by itself: selectors, sides, durations, retries, fallbacks. */
import t from 'tap';
import type { ModelServer } from '../../../src/api/types.js';
import { checkModelServer } from '../../../src/core/checks/check.js';
import { seconds } from '../../../src/core/checks/server-rules.js';
import { type Said, surroundings, tells } from './boundaries.js';
import { group, selecting, server, traffic } from './servers.js';

type Row = readonly [given: string, server: ModelServer, ...says: Said[]];

function boundaries(code: string, rows: readonly Row[]): void {
  t.test(code, async (t) => {
    for (const [given, one, ...says] of rows) {
      const found = checkModelServer(one, surroundings).filter((finding) => finding.code === code);
      tells(t, given, found, says);
    }
  });
}

const selector = 'spec.workloadSelector';
const labels = (matchLabels: unknown) => server(selecting({ matchLabels }));
const keys = {
  right: ['app', 'a.b/c', 'A_b-c.d', '1', 'example.com/a', 'a'.repeat(63), 'sub-1.example.com/name'],
  wrong: ['', '-a', 'a-', 'a b', '/a', 'A.B/c', 'a/b/c', 'a'.repeat(64), '.a', 'a/', 'é', 'x/ä', '-x.y/a', 'x-/a'],
};
boundaries('TND-201', [
  ['one label', labels({ app: 'x' })],
  ['none', labels({}), { path: `${selector}.matchLabels`, saw: 'no label', fix: 'add at least one label' }],
  ['no labels', labels(undefined), { saw: 'no label' }],
  ['no selector', server({ workloadSelector: undefined }), { saw: 'no label' }],
  ...keys.right.map((key) => [`key "${key}"`, labels({ [key]: 'x' })] as const),
  ...keys.wrong.map(
    (key) => [`key "${key}"`, labels({ [key]: 'x' }), { saw: { [key]: 'x' }, fix: 'correct the labels' }] as const,
  ),
  ...['', 'a', 'A1', 'a-b_c.d', 'a'.repeat(63)].map((value) => [`value "${value}"`, labels({ app: value })] as const),
  ...['-a', 'a-', 'a b', 'a/b', 'a'.repeat(64), '.', 'x\n'].map(
    (value) => [`value "${value}"`, labels({ app: value }), {}] as const,
  ),
  ['one of two is wrong', labels({ app: 'x', tier: 'a b' }), {}],
]);

boundaries('TND-202', [
  ['a key and two sides', server()],
  ['no pdGroup', server(selecting({ pdGroup: undefined }))],
  [
    'no key',
    server(group({ groupKey: undefined })),
    { path: `${selector}.pdGroup.groupKey`, saw: undefined, want: 'a label key' },
  ],
  ['a wrong key', server(group({ groupKey: 'a b' })), { saw: 'a b' }],
  [
    'no prefill side',
    server(group({ prefillLabels: undefined })),
    { path: `${selector}.pdGroup.prefillLabels`, saw: 'no label' },
  ],
  ['an empty decode side', server(group({ decodeLabels: {} })), { path: `${selector}.pdGroup.decodeLabels` }],
  ['a wrong decode side', server(group({ decodeLabels: { a: '-' } })), { saw: { a: '-' } }],
]);

const sides = (prefillLabels: unknown, decodeLabels: unknown) => server(group({ prefillLabels, decodeLabels }));
boundaries('TND-203', [
  ['one key, two values', sides({ role: 'p' }, { role: 'd' })],
  ['one of two keys differs', sides({ role: 'p', app: 'x' }, { role: 'd', app: 'x' })],
  [
    'the same',
    sides({ role: 'p' }, { role: 'p' }),
    { path: `${selector}.pdGroup.decodeLabels`, saw: { role: 'p' }, severity: 'error' },
  ],
  ['decode says more', sides({ role: 'p' }, { role: 'p', app: 'x' }), { severity: 'warning' }],
  ['prefill says more', sides({ role: 'p', app: 'x' }, { role: 'p' }), { severity: 'warning' }],
  ['other keys', sides({ p: 'x' }, { d: 'x' }), { severity: 'warning' }],
  ['no decode side', sides({ role: 'p' }, undefined)],
  ['no prefill side', sides(undefined, { role: 'p' })],
  ['no pdGroup', server(selecting({ pdGroup: undefined }))],
]);

t.test('durations are those of Go', async (t) => {
  const rows: readonly (readonly [string, number | undefined])[] = [
    ['60s', 60],
    ['1m30s', 90],
    ['1.5h', 5400],
    ['0.5s', 0.5],
    ['12.25s', 12.25],
    ['250ms', 0.25],
    ['3us', 3e-6],
    ['3µs', 3e-6],
    ['20ns', 2e-8],
    ['1h1m1s1ms', 3661.001],
    ['0', 0],
    ['0s', 0],
    ['', undefined],
    ['60', undefined],
    ['s', undefined],
    ['1d', undefined],
    ['-1s', undefined],
    ['1s ', undefined],
    [' 1s', undefined],
    ['1.s', undefined],
    ['.5s', undefined],
    ['1s2', undefined],
  ];
  for (const [text, wanted] of rows) {
    const found = seconds(text);
    t.ok(
      wanted === undefined ? found === undefined : Math.abs((found ?? Number.NaN) - wanted) < 1e-12,
      `"${text}" ${found}`,
    );
  }
});

boundaries('TND-204', [
  ['readable', server(traffic({ timeout: '1m', retry: { attempts: 1, retryInterval: '100ms' } }))],
  ['nothing said', server(traffic({}))],
  ['no timeout', server(traffic({ timeout: 'soon' })), { path: 'spec.trafficPolicy.timeout', saw: 'soon' }],
  [
    'no interval',
    server(traffic({ retry: { attempts: 1, retryInterval: '5' } })),
    { path: 'spec.trafficPolicy.retry.retryInterval', saw: '5' },
  ],
]);

const retrying = (attempts: number, inferenceEngine: string) =>
  server({ ...traffic({ retry: { attempts } }), inferenceEngine });
boundaries('TND-067', [
  ['no timeout', server()],
  ['a minute', server(traffic({ timeout: '60s' }))],
  [
    'less',
    server(traffic({ timeout: '59.9s' })),
    { path: 'spec.trafficPolicy.timeout', saw: '59.9s', want: '60s or more' },
  ],
  ['none at all', server(traffic({ timeout: '0' }))],
  ['a single attempt of SGLang', retrying(1, 'SGLang')],
  ['two attempts of SGLang', retrying(2, 'SGLang'), { path: 'spec.trafficPolicy.retry.attempts', saw: 2 }],
  ['two attempts of vLLM', retrying(2, 'vLLM')],
]);

boundaries('TND-205', [
  ['no retry', server(traffic({}))],
  ...[0, 10].map((attempts) => [`${attempts}`, retrying(attempts, 'vLLM')] as const),
  ['below zero', retrying(-1, 'vLLM'), { path: 'spec.trafficPolicy.retry.attempts', saw: -1, severity: 'error' }],
  ['many', retrying(11, 'vLLM'), { saw: 11, severity: 'warning' }],
]);

const talking = (inferenceEngine: string, type?: string) =>
  server({ inferenceEngine, ...(type && { kvConnector: { type } }) });
boundaries('TND-005', [
  ['SGLang without connector', talking('SGLang')],
  ['SGLang over HTTP', talking('SGLang', 'http')],
  [
    'SGLang with a connector',
    talking('SGLang', 'mooncake'),
    { path: 'spec.kvConnector', saw: 'mooncake', want: 'nothing' },
  ],
  ['vLLM with a connector', talking('vLLM', 'mooncake')],
]);

const key = 'tandem.dev/fallback';
const path = `metadata.annotations["${key}"]`;
boundaries('TND-206', [
  ...['none', 'recompute', 'aggregated'].map((value) => [value, server({}, { [key]: value })] as const),
  ...['', 'hope', 'not none', 'nonesuch'].map(
    (value) => [`"${value}"`, server({}, { [key]: value }), { path, saw: value }] as const,
  ),
  ['no annotations', server({}, undefined)],
]);

const alone = selecting({ pdGroup: undefined });
boundaries('TND-078', [
  ['SGLang recomputes', server({ inferenceEngine: 'SGLang' }, { [key]: 'recompute' }), { path, saw: 'recompute' }],
  ['SGLang does not', server({ inferenceEngine: 'SGLang' }, { [key]: 'none' })],
  ['vLLM recomputes', server({}, { [key]: 'recompute' })],
  ['SGLang without sides', server({ inferenceEngine: 'SGLang', ...alone }, { [key]: 'recompute' })],
  ['no annotations', server({ inferenceEngine: 'SGLang' }, undefined)],
]);

/** What a review says of a whole object: in which order, in which mode, and of nothing twice. */
import t from 'tap';
import type { ModelServer } from '../../../src/api/types.js';
import { checkServing } from '../../../src/core/checks/check.js';
import { type CheckContext, nothingKnown } from '../../../src/core/checks/context.js';
import { reviewModelRoute, reviewModelServer, reviewServing } from '../../../src/core/checks/review.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { profiles } from './boundaries.js';
import { annotated, decode, env, replaced, spec } from './edits.js';
import { both, draft, type Edit } from './example.js';
import { route, server } from './servers.js';

const file: CheckContext = { ...nothingKnown, objects: 'complete' };
const review = (edits: readonly Edit[], context = nothingKnown) =>
  reviewServing(draft('gpu', ...edits), { profiles, settings }, context);
const codes = (found: readonly { code: string }[]) => found.map(({ code }) => code);

t.test('errors come first, then codes, then places', async (t) => {
  const wrong = [
    both(replaced({ dtype: 'auto', 'tensor-parallel-size': '2' })),
    both(env({ VLLM_HOST_IP: '10.0.0.1', UCX_TLS: 'tcp' })),
    decode(env({ UCX_TLS: 'all', CUDA_VISIBLE_DEVICES: '0' })),
  ];
  const found = review(wrong).map(({ severity, code, path }) => [severity, code, /roles\[(\d)\]/.exec(path)?.[1]]);
  t.same(found, [
    ['error', 'TND-021', '0'],
    ['error', 'TND-021', '1'],
    ['error', 'TND-055', '0'],
    ['error', 'TND-055', '1'],
    ['warning', 'TND-053', '1'],
    ['warning', 'TND-059', '1'],
  ]);
});

t.test('an unknown field is told of a file, and left to the API server otherwise', async (t) => {
  const misspelt = [spec({ replica: 1 })];
  t.same([codes(review(misspelt, file)), codes(review(misspelt))], [['TND-100'], []]);
  const one = { ...server({ modell: 'x' }) };
  t.same([codes(reviewModelServer(one, file)), codes(reviewModelServer(one, nothingKnown))], [['TND-100'], []]);
  const way = route({ modell: 'x' });
  t.same([codes(reviewModelRoute(way, file)), codes(reviewModelRoute(way, nothingKnown))], [['TND-100'], []]);
});

t.test('rules judge what has the right shape', async (t) => {
  t.same(codes(reviewModelRoute(route({ modelName: '' }), file)), ['TND-211']);
  t.same(codes(reviewModelServer(server({}, { 'tandem.dev/fallback': 'hope' }), file)), ['TND-206']);
});

const terse: Edit = (d) => {
  for (const one of [d.prefill, d.decode]) Object.assign(one.pod, { containers: [] });
};
t.test('a terse serving is judged as its pods will be, in either mode', async (t) => {
  const said = (mode: string) =>
    codes(review([terse, annotated({ 'tandem.dev/model': 'a/b', 'tandem.dev/expand': mode })]));
  t.notOk(said('template').includes('TND-113'));
  t.same(said('pods'), said('template'));
  t.ok(said('off').includes('TND-113'), 'nobody will write its containers');
});

t.test('what expansion says of a place, no rule says again', async (t) => {
  const found = review([annotated({ 'tandem.dev/expand': 'sometimes' })]).filter(({ path }) =>
    path.includes('tandem.dev/expand'),
  );
  t.same(codes(found), ['TND-120']);
});

t.test('servings of other namespaces are not judged beside a server', async (t) => {
  const far = draft('gpu', (d) => Object.assign(d.metadata, { namespace: 'b' }));
  const near = draft('gpu', (d) => Object.assign(d.metadata, { namespace: undefined }));
  const one: ModelServer = server({ workloadPort: { port: 1 } });
  const said = (serving: typeof far) =>
    codes(reviewModelServer(one, { ...file, modelServings: [readServing(serving, profiles)] }));
  t.same(said(far), ['TND-209'], 'not even as pods that it selects');
  t.same(said(near), ['TND-065', 'TND-065'], 'no namespace is the default one');
  t.same(codes(checkServing(readServing(near, profiles), { ...file, modelServers: [one] })), ['TND-065', 'TND-065']);
});

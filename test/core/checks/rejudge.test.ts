/** What is judged again when another object appears, changes or goes. */
import t from 'tap';
import type { ModelRoute, ModelServer } from '../../../src/api/types.js';
import type { CheckContext } from '../../../src/core/checks/context.js';
import { type News, rejudge, type Standing } from '../../../src/core/checks/rejudge.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { loadProfiles } from '../../../src/settings/profiles.js';
import { draft } from './example.js';

const profiles = await loadProfiles();
const serving = readServing(
  draft('gpu', (d) => Object.assign(d.metadata, { uid: 'serving' })),
  profiles,
);
const server = (port: number, metadata = {}) =>
  ({
    metadata: { name: 'demo', namespace: 'default', uid: 'server', ...metadata },
    spec: {
      model: 'qwen',
      inferenceEngine: 'vLLM',
      workloadPort: { port },
      workloadSelector: { matchLabels: { 'modelserving.volcano.sh/name': 'demo' } },
    },
  }) as unknown as ModelServer;
const route = {
  metadata: { name: 'demo', namespace: 'default', uid: 'route' },
  spec: { modelName: 'qwen', rules: [{ targetModels: [{ modelServerName: 'demo' }] }] },
} as unknown as ModelRoute;

const near = (more: Partial<CheckContext>): CheckContext => ({
  objects: 'live',
  fallbackScheduler: 'default-scheduler',
  modelServings: [],
  modelServers: [],
  modelRoutes: [],
  ...more,
});
const nothing: Standing = new Map();
const short = (news: readonly News[]) =>
  news.map(({ kind, code, findings }) => `${kind} ${code} ${findings.length > 0 ? 'fails' : 'passes'}`).sort();

t.test('what is missing is said once, and again only when it changes', async (t) => {
  const alone = near({ modelServers: [server(8000)] });
  const first = rejudge(alone, nothing);
  t.strictSame(short(first.news), ['ModelServer TND-209 fails']);
  t.strictSame(short(rejudge(alone, first.standing).news), []);
  const complete = rejudge(near({ modelServers: [server(8000)], modelServings: [serving] }), first.standing);
  t.strictSame(short(complete.news), ['ModelServer TND-209 passes']);
  t.equal(complete.standing.size, 0, 'nothing is remembered of objects that fit');
});

t.test('every order of apply ends in the same standing', async (t) => {
  const parts: Partial<CheckContext>[] = [
    { modelServings: [serving] },
    { modelServers: [server(9000)] },
    { modelRoutes: [route] },
  ];
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  const ends = orders.map((order) => {
    let standing = nothing;
    let known: Partial<CheckContext> = {};
    for (const i of order) {
      known = { ...known, ...parts[i] };
      ({ standing } = rejudge(near(known), standing));
    }
    return standing;
  });
  t.strictSame([...(ends[0]?.keys() ?? [])].sort(), ['server', 'serving']);
  for (const end of ends) t.strictSame(end, ends[0]);
});

t.test('a contradiction is told to both sides, with another value as news', async (t) => {
  const first = rejudge(near({ modelServings: [serving], modelServers: [server(9000)] }), nothing);
  t.strictSame(short(first.news), ['ModelServer TND-065 fails', 'ModelServing TND-065 fails']);
  const other = rejudge(near({ modelServings: [serving], modelServers: [server(9001)] }), first.standing);
  t.strictSame(short(other.news), ['ModelServer TND-065 fails', 'ModelServing TND-065 fails']);
  t.not(other.news[0]?.mark, first.news[0]?.mark);
  t.strictSame(
    rejudge(near({ modelServings: [serving], modelServers: [server(9000)] }), nothing).news.map(({ mark }) => mark),
    first.news.map(({ mark }) => mark),
    'who judges the same says the same',
  );
});

t.test('what is skipped, deleted or without a uid is not told', async (t) => {
  const skipping = server(8000, { annotations: { 'tandem.dev/skip-checks': 'TND-209' } });
  t.strictSame(short(rejudge(near({ modelServers: [skipping] }), nothing).news), []);
  const first = rejudge(near({ modelServers: [server(8000)] }), nothing);
  t.strictSame(short(rejudge(near({}), first.standing).news), []);
  t.strictSame(short(rejudge(near({ modelServers: [server(8000, { uid: undefined })] }), nothing).news), []);
});

/** Every rule has an example that passes and one that fails; the table is complete, because `allRules` is compared with it. */
import t from 'tap';
import type { ModelServer, ModelServing } from '../../../src/api/types.js';
import { allRules } from '../../../src/core/checks/all-rules.js';
import { checkModelRoute, checkModelServer, checkServing } from '../../../src/core/checks/check.js';
import type { CheckContext } from '../../../src/core/checks/context.js';
import type { Finding } from '../../../src/core/checks/finding.js';
import { reviewModelServer, reviewServing } from '../../../src/core/checks/review.js';
import { defaultExpandSettings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { loadProfiles } from '../../../src/settings/profiles.js';
import { annotated, connector, decode, env, lmcachePd, waiting } from './edits.js';
import { both, draft, type Edit } from './example.js';
import { type Case, failing } from './examples.js';
import { group, route, server } from './servers.js';

const profiles = await loadProfiles();
const context: CheckContext = { objects: 'complete', fallbackScheduler: 'default-scheduler', hasVolcano: true };

/** Rules that need another context than the others. */
const special: Readonly<Record<string, () => { passes: readonly Finding[]; fails: readonly Finding[] }>> = {
  'TND-050': () => ({ passes: check(['', 'npu']), fails: check(['', 'npu'], { hasAscendRuntime: false }) }),
  'TND-072': () => ({
    passes: check(['', 'npu'], { dialects: ['nixl-pull'] }),
    fails: check(['', 'npu', connector('MooncakeLayerwiseConnector')], { dialects: ['nixl-pull'] }),
  }),
  'TND-079': () => ({
    passes: besideUpstreamMooncake(server()),
    fails: besideUpstreamMooncake(
      server(
        group({
          prefillLabels: { 'modelserving.volcano.sh/role': 'decode', 'modelserving.volcano.sh/entry': 'true' },
        }),
      ),
    ),
  }),
  'TND-115': () => ({
    passes: check(['', 'sglang'], { dialects: ['sglang'] }),
    fails: check(['', 'sglang'], { dialects: ['nixl-pull', 'two-step'] }),
  }),
  'TND-114': () => ({ passes: check(['', 'gpu']), fails: check(['', 'gpu'], { hasVolcano: false }) }),
  'TND-100': () => ({
    passes: reviewModelServer(server(), context),
    fails: reviewModelServer(server({ workloadPort: { port: 0 } }), context),
  }),
  'TND-120': () => {
    const expansion = { profiles, settings: defaultExpandSettings };
    const ask = (engine: string) =>
      reviewServing(
        draft(
          'gpu',
          annotated({ 'tandem.dev/model': 'a/b', 'tandem.dev/engine': engine }),
          both((r) => Object.assign(r.pod, { containers: [] })),
        ),
        expansion,
        context,
      );
    return { passes: ask('vllm'), fails: ask('unheard-of') };
  },
  'TND-216': () => ({
    passes: check(['', 'server', {}]),
    fails: checkModelServer(server(), {
      ...context,
      modelServings: [
        readServing(
          draft(
            'gpu',
            decode((r) =>
              Object.assign(r.flags, { 'data-parallel-external-lb': true, 'data-parallel-size-local': '2' }),
            ),
          ),
          profiles,
        ),
      ],
    }),
  }),
  'TND-215': () => ({
    passes: check(['', 'route', {}]),
    fails: check(['', 'route', {}], { modelRoutes: [route({}, 'older')] }),
  }),
};

/** A serving whose decode role has a worker: what a ModelServer may select too much of. */
const linked = readServing(
  draft(
    'gpu',
    decode((r) =>
      Object.assign(r.role, {
        workerReplicas: 1,
        workerTemplate: { spec: { containers: [{ name: 'w', image: 'x', args: ['--headless'] }] } },
      }),
    ),
  ),
  profiles,
);

function check(example: Case, more: Partial<CheckContext> = {}): readonly Finding[] {
  const [, kind, first, annotations] = example;
  const known = { ...context, ...more };
  if (kind === 'server')
    return checkModelServer(server(first as object, annotations as object), { ...known, modelServings: [linked] });
  if (kind === 'route') return checkModelRoute(route(first as object), { ...known, modelServers: [server()] });
  const edits = example.slice(2) as Edit[];
  return checkServing(readServing(draft(kind, ...edits), profiles), known);
}

/** A ModelServer beside a pair of upstream's newer Mooncake connector. */
function besideUpstreamMooncake(one: ModelServer): readonly Finding[] {
  const roles: Edit = ({ prefill: p, decode: d }) => {
    p.config = { kv_connector: 'MooncakeConnector', kv_role: 'kv_producer' };
    d.config = { kv_connector: 'MooncakeConnector', kv_role: 'kv_consumer' };
  };
  return checkModelServer(one, { ...context, modelServings: [readServing(draft('gpu', roles), profiles)] });
}

const codesOf = (findings: readonly Finding[]) => findings.map(({ code }) => code);

t.test('the examples that pass have no findings at all', async (t) => {
  for (const base of ['gpu', 'npu', 'sglang'] as const) t.strictSame(codesOf(check(['', base])), [], base);
  t.strictSame(codesOf(check(['', 'server', {}])), []);
  t.strictSame(codesOf(check(['', 'route', {}])), []);
});

for (const example of failing) {
  const [code] = example;
  t.test(`${code} fails its example, with a place, what it saw, what it wants and what to do`, async (t) => {
    const found = check(example).filter((finding) => finding.code === code);
    t.ok(found.length > 0, `${code} ${found[0]?.path ?? `missed; saw ${codesOf(check(example)).join(' ')}`}`);
    for (const { path, want, fix, because, severity } of found) {
      t.match(path, /^(spec|metadata)\./);
      t.ok(want && fix && because && ['error', 'warning'].includes(severity));
    }
  });
}

for (const [code, example] of Object.entries(special)) {
  t.test(`${code} fails in other surroundings`, async (t) => {
    const { passes, fails } = example();
    t.notOk(codesOf(passes).includes(code), 'passes');
    t.ok(codesOf(fails).includes(code), 'fails');
  });
}

t.test('every rule has an example', async (t) => {
  const tried = new Set([...failing.map(([code]) => code), ...Object.keys(special)]);
  t.strictSame(
    allRules.map(({ code }) => code).filter((code) => !tried.has(code)),
    [],
  );
  for (const { code, source, title, because } of allRules)
    t.ok(/^TND-\d{3}$/.test(code) && source && title && because, code);
});

t.test('no two rules share a code', async (t) => {
  const codes = allRules.map(({ code }) => code);
  t.strictSame(
    codes.filter((code, i) => codes.indexOf(code) !== i),
    [],
  );
});

t.test('the 80 rules of pd-protocols C each have a code, but for the one that is done by expansion', async (t) => {
  const codes = new Set(allRules.map(({ code }) => code));
  const wanted = Array.from({ length: 80 }, (_, i) => `TND-${String(i + 1).padStart(3, '0')}`);
  t.strictSame(
    wanted.filter((code) => !codes.has(code)),
    ['TND-080'],
  );
});

t.test('one die of an A3 module is for a group of one pod', async (t) => {
  const container = {
    name: 'e',
    image: 'quay.io/ascend/vllm-ascend:v0.23.0-a3',
    args: ['m'],
    resources: { limits: { 'huawei.com/Ascend910': 1 } },
  };
  const role = (replicas: number) => ({
    name: 'chat',
    replicas,
    entryTemplate: { spec: { containers: [container], nodeSelector: { 'accelerator-type': 'module-a3-16' } } },
  });
  const codes = (replicas: number) => {
    const { spec, ...rest } = draft('npu');
    const serving = { ...rest, spec: { ...spec, template: { roles: [role(replicas)] } } } as unknown as ModelServing;
    return codesOf(reviewServing(serving, { profiles, settings: defaultExpandSettings }, context));
  };
  t.notOk(codes(1).includes('TND-034'));
  t.ok(codes(2).includes('TND-034'), 'a gang of two gets whole modules');
});

t.test('LMCache from prefill to decode, complete, has no findings', async (t) => {
  const ports = decode(env({ LMCACHE_PD_PEER_INIT_PORT: '[7300]', LMCACHE_PD_PEER_ALLOC_PORT: '7400' }));
  const seeded = both(env({ PYTHONHASHSEED: '0', LMCACHE_PD_PROXY_HOST: 'lmcache-proxy.kv' }));
  t.strictSame(codesOf(check(['', 'gpu', lmcachePd, waiting, ports, seeded])), []);
});

t.test('a connector that no router is known for is not judged by its protocol', async (t) => {
  t.notOk(codesOf(check(['', 'sglang'])).includes('TND-115'), 'it is not known which router is used');
});

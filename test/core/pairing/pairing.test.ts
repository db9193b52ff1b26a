import fc from 'fast-check';
import t from 'tap';
import type { Pod } from '../../../src/api/kube.js';
import { labels, tandemKeys, topologyLabel } from '../../../src/api/names.js';
import type { ModelRoute, ModelServer } from '../../../src/api/types.js';
import { type Asked, candidatesOf, chooseOne, choosePair, decodePods } from '../../../src/core/pairing/choose-pair.js';
import { chooseDialect } from '../../../src/core/pairing/dialect.js';
import { type Endpoint, endpointOf, selectedPods } from '../../../src/core/pairing/endpoint.js';
import { LoadTable } from '../../../src/core/pairing/load.js';
import { RouteTable, type Wanted } from '../../../src/core/pairing/match-route.js';
import { boundaries, loadPrefixHasher, PrefixIndex } from '../../../src/core/pairing/prefix.js';
import { compileRegex } from '../../../src/core/pairing/regex.js';

const server: ModelServer = {
  metadata: { name: 's', namespace: 'ns' },
  spec: {
    inferenceEngine: 'vLLM',
    workloadPort: { port: 8000 },
    workloadSelector: {
      matchLabels: { app: 'm' },
      pdGroup: { groupKey: labels.groupName, prefillLabels: { role: 'prefill' }, decodeLabels: { role: 'decode' } },
    },
  },
};

function pod(name: string, more: Record<string, string> = {}, change: Partial<Pod> = {}): Pod {
  const role = name.startsWith('p') ? 'prefill' : 'decode';
  return {
    metadata: { name, namespace: 'ns', uid: name, labels: { app: 'm', role, [labels.groupName]: 'g0', ...more } },
    spec: { containers: [] },
    status: { podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
    ...change,
  };
}
const endpoint = (name: string, more: Record<string, string> = {}): Endpoint =>
  endpointOf(server, pod(name, more)) as Endpoint;
const asked = (more: Partial<Asked> = {}): Asked => ({
  load: new LoadTable(),
  now: 0,
  promptBytes: 1000,
  prefix: new Map(),
  without: new Set(),
  random: 0,
  ...more,
});
const names = (choice: ReturnType<typeof choosePair>): string =>
  'none' in choice ? choice.none : `${choice.prefill.name}+${choice.decode.name}`;

t.test('a pod is an endpoint', (t) => {
  t.match(endpoint('p0'), { side: 'prefill', group: 'g0', ip: '10.0.0.1', port: 8000, tls: false });
  t.match(endpoint('d0'), { side: 'decode', group: 'g0' });
  t.match(endpoint('p0', { role: 'both' }), { side: 'aggregated', group: undefined });
  t.match(
    endpoint('p0', { [labels.groupName]: '' }),
    { side: 'aggregated' },
    'without a group value it is in no group',
  );
  const both = {
    ...server,
    spec: {
      ...server.spec,
      workloadSelector: {
        matchLabels: { app: 'm' },
        pdGroup: { groupKey: labels.groupName, prefillLabels: { app: 'm' }, decodeLabels: { app: 'm' } },
      },
    },
  };
  t.match(endpointOf(both, pod('p0')), { side: 'decode' }, 'a pod that matches both is decode, as in Kthena');
  const not: readonly [string, Pod][] = [
    [
      'it is not ready',
      pod('p0', {}, { status: { podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'False' }] } }),
    ],
    ['it has no address', pod('p0', {}, { status: { conditions: [{ type: 'Ready', status: 'True' }] } })],
    ['it has no status', { metadata: pod('p0').metadata, spec: { containers: [] } }],
    ['it is a worker of its role instance', pod('p0', { [labels.roleId]: 'prefill-0' })],
    ['it goes away', pod('p0', {}, { metadata: { ...pod('p0').metadata, deletionTimestamp: 'now' } })],
  ];
  for (const [why, given] of not) t.equal(endpointOf(server, given), undefined, `not when ${why}`);
  t.ok(endpointOf(server, pod('p0', { [labels.roleId]: 'prefill-0', [labels.entry]: 'true' })), 'the entry pod is');
  t.ok(
    endpointOf(server, pod('p0', {}, { status: { podIP: '10.0.0.1' } })),
    'so is a pod written by hand without conditions',
  );
  t.end();
});

t.test('a ModelServer selects pods of its namespace that carry all its labels', (t) => {
  const others = [
    pod('p1', { app: 'other' }),
    pod('p2', {}, { metadata: { ...pod('p2').metadata, namespace: 'elsewhere' } }),
  ];
  t.same(
    selectedPods(server, [pod('p0'), ...others]).map(({ metadata }) => metadata.name),
    ['p0'],
  );
  const { matchLabels: _, ...selector } = server.spec.workloadSelector;
  t.same(
    selectedPods({ ...server, spec: { ...server.spec, workloadSelector: selector } }, [pod('p0')]),
    [],
    'no selector selects nothing',
  );
  t.end();
});

t.test('a pair is chosen', (t) => {
  const two = candidatesOf(['p0', 'p1', 'd0', 'd1'].map((name) => endpoint(name)));

  t.test('inside one group', (t) => {
    const split = candidatesOf([endpoint('p0'), endpoint('d0', { [labels.groupName]: 'g1' })]);
    t.equal(names(choosePair(split, asked())), 'no group has both a prefill and a decode pod ready');
    t.end();
  });

  t.test('of one KV fingerprint, where both have one', (t) => {
    const print = tandemKeys.kvFingerprint.key;
    const mixed = candidatesOf([
      endpoint('p0', { [print]: 'a' }),
      endpoint('d0', { [print]: 'b' }),
      endpoint('d1', { [print]: 'a' }),
    ]);
    t.equal(names(choosePair(mixed, asked())), 'p0+d1');
    t.equal(names(choosePair(mixed, asked({ without: new Set(['d1']) }))), 'every ready pair has failed this request');
    const none = candidatesOf([endpoint('p0', { [print]: 'a' }), endpoint('d0', { [print]: 'b' })]);
    t.equal(names(choosePair(none, asked())), 'prefill and decode pods have different KV fingerprints');
    const unknown = candidatesOf([endpoint('p0', { [print]: 'a' }), endpoint('d0')]);
    t.equal(names(choosePair(unknown, asked())), 'p0+d0', 'an unknown one is no reason');
    t.end();
  });

  t.test('of those that are not in use, from the moment of each choice', (t) => {
    const load = new LoadTable();
    const seen: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      const pair = choosePair(two, asked({ load }));
      if ('none' in pair) throw new Error(pair.none);
      load.reserve(pair.prefill, pair.decode, 1000);
      seen.push(names(pair));
    }
    t.same(seen, ['p0+d0', 'p1+d1', 'p0+d0', 'p1+d1']);
    t.end();
  });

  t.test('by the prompts that wait, not only by their number', (t) => {
    const load = new LoadTable();
    load.reserve(endpoint('p0'), endpoint('d0'), 100_000);
    const small = load.reserve(endpoint('p1'), endpoint('d1'), 100);
    load.reserve(endpoint('p1'), endpoint('d1'), 100);
    t.equal(names(choosePair(two, asked({ load, random: 0 }))).slice(0, 2), 'p1');
    small.prefillDone();
    small.release();
    small.release();
    t.equal(load.of(endpoint('d1')).inFlight, 1, 'a place is given back once');
    t.end();
  });

  t.test('for a prompt that a prefill pod has already computed', (t) => {
    const prefix = new Map([['p1', 90_000]]);
    t.equal(names(choosePair(two, asked({ promptBytes: 100_000, prefix }))), 'p1+d0');
    t.end();
  });

  t.test('near each other, load being equal', (t) => {
    const at = (leaf: string) => ({ [topologyLabel('leaf')]: leaf, [topologyLabel('zone')]: 'z' });
    const far = candidatesOf([endpoint('p0', at('a')), endpoint('d0', at('b')), endpoint('d1', at('a'))]);
    t.equal(names(choosePair(far, asked())), 'p0+d1');
    const load = new LoadTable();
    for (let i = 0; i < 6; i += 1) load.reserve(endpoint('d1'), endpoint('d1'), 0);
    t.equal(names(choosePair(far, asked({ load }))), 'p0+d0', 'until it is not');
    t.end();
  });

  t.test('away from pods that have just failed, as long as there are others', (t) => {
    const load = new LoadTable();
    load.avoid(endpoint('p0'), 100);
    t.equal(names(choosePair(two, asked({ load, now: 50 }))), 'p1+d0');
    t.equal(names(choosePair(two, asked({ load, now: 50, without: new Set(['p1']) }))), 'p0+d0');
    t.equal(names(choosePair(two, asked({ load, now: 100 }))), 'p0+d0');
    t.end();
  });

  t.test('or it is said what is missing', (t) => {
    t.equal(names(choosePair(candidatesOf([]), asked())), 'no pod of a PD group is ready');
    t.equal(names(choosePair(candidatesOf([endpoint('d0')]), asked())), 'no prefill pod is ready');
    t.equal(names(choosePair(candidatesOf([endpoint('p0')]), asked())), 'no decode pod is ready');
    t.end();
  });

  t.test('whenever one exists, and never against the rules', (t) => {
    const anyPod = fc.record({
      side: fc.constantFrom('p', 'd'),
      group: fc.constantFrom('g0', 'g1', 'g2'),
      print: fc.constantFrom('', 'a', 'b'),
      busy: fc.nat({ max: 5 }),
    });
    fc.assert(
      fc.property(
        fc.array(anyPod, { maxLength: 40 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (given, random) => {
          const load = new LoadTable();
          const endpoints = given.map(({ side, group, print, busy }, i) => {
            const made = endpoint(`${side}${i}`, {
              [labels.groupName]: group,
              ...(print !== '' && { [tandemKeys.kvFingerprint.key]: print }),
            });
            for (let n = 0; n < busy; n += 1) load.reserve(made, made, 10);
            return made;
          });
          const fits = (p: Endpoint, d: Endpoint) =>
            p.side === 'prefill' &&
            d.side === 'decode' &&
            p.group === d.group &&
            (!p.fingerprint || !d.fingerprint || p.fingerprint === d.fingerprint);
          const possible = endpoints.some((p) => endpoints.some((d) => fits(p, d)));
          const pair = choosePair(candidatesOf(endpoints), asked({ load, random }));
          return 'none' in pair ? !possible : fits(pair.prefill, pair.decode);
        },
      ),
      { numRuns: 2000 },
    );
    t.end();
  });
  t.equal(chooseOne(decodePods(two), asked({ random: 0.9 }))?.name, 'd1', 'a whole request takes one pod');
  t.end();
});

t.test('load is forgotten with the pod, and not before its requests are over', (t) => {
  const load = new LoadTable();
  const place = load.reserve(endpoint('p0'), endpoint('d0'), 1);
  load.keepOnly(new Set());
  t.equal(load.size, 2);
  place.release();
  load.keepOnly(new Set(['d0']));
  t.equal(load.size, 1);
  t.end();
});

t.test('prefixes', async (t) => {
  const hash = await loadPrefixHasher();
  const prompt = (text: string, bytes: number) => Buffer.alloc(bytes, text);

  t.test('are known up to the first boundary that differs', (t) => {
    const index = new PrefixIndex();
    const shared = prompt('system prompt ', 1500);
    index.learn(hash(Buffer.concat([shared, prompt('a', 2000)])), 'p0');
    index.learn(hash(shared), 'p1');
    const match = index.match(hash(Buffer.concat([shared, prompt('b', 2000)])));
    t.same([...match].sort(), [
      ['p0', 1152],
      ['p1', 1152],
    ]);
    t.same([...index.match(hash(prompt('other', 3000)))], []);
    t.same(hash(Buffer.from('short')), [], 'a short prompt has none');
    t.equal(hash(prompt('long', 2_000_000)).length, boundaries.length);
    t.end();
  });

  t.test('do not match in the middle', (t) => {
    const index = new PrefixIndex();
    index.learn(hash(prompt('x', 5000)).slice(2), 'p0');
    t.same([...index.match(hash(prompt('x', 5000)))], []);
    t.end();
  });

  t.test('stay bounded, whatever comes', (t) => {
    const index = new PrefixIndex(1000);
    for (let i = 0; i < 500; i += 1) index.learn(hash(prompt(`prompt ${i} `, 10_000)), `p${i % 7}`);
    t.ok(index.size <= 1000, `${index.size} prefixes`);
    t.ok(index.match(hash(prompt('prompt 499 ', 10_000))).size > 0, 'the latest are kept');
    t.end();
  });
});

t.test('routes', (t) => {
  const route = (name: string, spec: Partial<ModelRoute['spec']>, created = '2026-01-01T00:00:00Z'): ModelRoute => ({
    metadata: { name, namespace: 'ns', creationTimestamp: created },
    spec: { rules: [{ targetModels: [{ modelServerName: name }] }], ...spec },
  });
  const wanted = (more: Partial<Wanted> = {}): Wanted => ({
    model: 'm',
    path: '/v1/completions',
    header: () => undefined,
    random: 0,
    ...more,
  });
  const target = (table: RouteTable, more: Partial<Wanted> = {}): string => {
    const found = table.match(wanted(more));
    return 'target' in found ? `${found.target.modelServer}${found.target.isLora ? ' lora' : ''}` : found.none;
  };

  t.test('the oldest route of a model wins, and the next one when it goes', (t) => {
    const young = route('young', { modelName: 'm' }, '2026-03-01T00:00:00Z');
    const old = route('old', { modelName: 'm' }, '2026-02-01T00:00:00Z');
    t.equal(target(new RouteTable([young, old])), 'old');
    t.equal(target(new RouteTable([young])), 'young');
    t.equal(target(new RouteTable([])), 'model');
    t.end();
  });

  t.test('adapters are looked up after models, and keep their name', (t) => {
    const table = new RouteTable([
      route('base', { modelName: 'm', loraAdapters: ['a', 'm2'] }),
      route('two', { modelName: 'm2' }),
    ]);
    t.equal(target(table, { model: 'a' }), 'base lora');
    t.equal(target(table, { model: 'm2' }), 'two');
    t.same(table.models, ['m', 'm2', 'a']);
    t.end();
  });

  t.test('the first rule whose conditions all hold decides', (t) => {
    const to = (name: string) => [{ modelServerName: name }];
    const table = new RouteTable([
      route('r', {
        modelName: 'm',
        rules: [
          {
            modelMatch: { headers: { 'User-Type': { exact: 'premium' } }, uri: { prefix: '/v1/chat' } },
            targetModels: to('premium-chat'),
          },
          { modelMatch: { headers: { 'x-tier': { regex: '^(gold|silver)-[0-9]+$' } } }, targetModels: to('tier') },
          { modelMatch: { headers: { 'x-both': { exact: 'a', prefix: 'b', regex: 'c' } } }, targetModels: to('exact') },
          { modelMatch: { body: { model: 'other' } }, targetModels: to('never') },
          { modelMatch: { uri: { regex: '(' } }, targetModels: to('bad pattern') },
          { modelMatch: { uri: { exact: '/v1/embeddings' } }, targetModels: to('embeddings') },
        ],
      }),
    ]);
    const header = (headers: Record<string, string>) => (name: string) => headers[name];
    t.equal(
      target(table, { header: header({ 'user-type': 'premium' }), path: '/v1/chat/completions' }),
      'premium-chat',
    );
    t.equal(target(table, { header: header({ 'user-type': 'premium' }) }), 'rule', 'both conditions must hold');
    t.equal(target(table, { header: header({ 'x-tier': 'gold-12' }) }), 'tier');
    t.equal(target(table, { header: header({ 'x-both': 'a' }) }), 'exact');
    t.equal(target(table, { header: header({ 'x-both': 'bc' }) }), 'rule', 'exact decides before prefix and regex');
    t.equal(target(table, { path: '/v1/embeddings' }), 'embeddings');
    t.match(table.badPatterns, [{ route: 'ns/r', pattern: '(' }]);
    t.end();
  });

  t.test('weights divide requests, zero gets none, a mix of given and absent is no target', (t) => {
    const weighted = (...weights: (number | undefined)[]) =>
      new RouteTable([
        route('r', {
          modelName: 'm',
          rules: [
            {
              targetModels: weights.map((weight, i) => ({
                modelServerName: `s${i}`,
                ...(weight !== undefined && { weight }),
              })),
            },
          ],
        }),
      ]);
    const count = (table: RouteTable) => {
      const got: Record<string, number> = {};
      for (let i = 0; i < 100; i += 1) {
        const name = target(table, { random: i / 100 });
        got[name] = (got[name] ?? 0) + 1;
      }
      return got;
    };
    t.same(count(weighted(70, 30)), { s0: 70, s1: 30 });
    t.same(count(weighted(0, 1)), { s1: 100 });
    t.same(count(weighted(undefined, undefined)), { s0: 50, s1: 50 });
    t.same(count(weighted(1, undefined)), { rule: 100 });
    t.same(count(weighted(0, 0)), { rule: 100 });
    t.end();
  });

  t.test('a route of a gateway is not asked here', (t) => {
    t.equal(target(new RouteTable([route('r', { modelName: 'm', parentRefs: [{ name: 'g' }] })])), 'model');
    t.end();
  });
  t.end();
});

t.test('patterns', (t) => {
  const table: readonly [string, string, boolean][] = [
    ['', '', true],
    ['abc', 'xxabcxx', true],
    ['^abc$', 'xabc', false],
    ['a.c', 'a\nc', false],
    ['^(foo|ba[rz])+$', 'foobarbaz', true],
    ['^[^a-c]+$', 'dea', false],
    ['^\\d{2,4}$', '12345', false],
    ['^\\d{2,}$', '12345', true],
    ['^\\d{3}$', '123', true],
    ['(?i)HELLO', 'say hello', true],
    ['(?i:a)b', 'AB', false],
    ['\\bcat\\b', 'a cat!', true],
    ['\\bcat\\b', 'concat', false],
    ['^[\\w.-]+@[[:alpha:]]+\\.com$', 'a.b-c@mail.com', true],
    ['^a{x}$', 'a{x}', true],
    ['[]a]', ']', true],
    ['\\x41\\t', 'A\t', true],
    ['^(?P<name>a)(?:b)??$', 'a', true],
  ];
  for (const [pattern, text, expected] of table) {
    const regex = compileRegex(pattern);
    t.equal('error' in regex ? regex.error : regex.test(text), expected, `${pattern} on ${JSON.stringify(text)}`);
  }
  for (const bad of [
    '(',
    ')',
    '[a',
    '*a',
    'a**',
    'a{2,1}',
    'a{2000}',
    '(?=a)',
    '(a)\\1',
    '\\',
    '(?<!a)',
    '[z-a]',
    '((((a{1000}){1000})))',
    '('.repeat(300),
  ]) {
    t.ok('error' in compileRegex(bad), `${bad.slice(0, 20)} is refused`);
  }

  t.test('find what JavaScript’s own engine finds, where both read the same', (t) => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '(?:a|b)', '(?:ab)', '\\b');
    const pattern = fc
      .array(
        fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{1,2}')).map(([a, q]) => (a === '\\b' ? a : a + q)),
        { maxLength: 6 },
      )
      .chain((parts) =>
        fc.constantFrom(parts.join(''), `^${parts.join('')}`, `${parts.join('')}$`, `${parts.join('')}|b+`),
      );
    fc.assert(
      fc.property(pattern, fc.stringMatching(/^[ab1 -]{0,12}$/), (source, text) => {
        const ours = compileRegex(source);
        return !('error' in ours) && ours.test(text) === new RegExp(source).test(text);
      }),
      { numRuns: 3000 },
    );
    t.end();
  });

  t.test('cost no more than the text is long, whatever the pattern', (t) => {
    const evil = compileRegex('^(a+)+(a|a)*(a*)*$');
    t.equal('error' in evil ? evil.error : evil.test(`${'a'.repeat(5000)}b`), false);
    t.end();
  });
  t.end();
});

t.test('the dialect', (t) => {
  const withConnector = (type: 'http' | 'lmcache' | 'nixl' | 'mooncake'): ModelServer => ({
    ...server,
    spec: { ...server.spec, kvConnector: { type } },
  });
  const runs = (connector: string, dialect: string | undefined) => () => ({ connector, dialect });
  const silent = () => undefined;
  const stamped = [pod('p0', { [tandemKeys.dialect.key]: 'mooncake' })];
  t.match(chooseDialect(withConnector('nixl'), stamped, silent), { dialect: 'mooncake', from: 'label' });
  t.match(chooseDialect(withConnector('nixl'), [pod('p0')], silent), { dialect: 'nixl-pull', from: 'kvConnector' });
  t.match(chooseDialect(withConnector('mooncake'), [pod('p0')], runs('MooncakeConnectorV1', 'nixl-pull')), {
    dialect: 'nixl-pull',
  });
  t.match(chooseDialect(withConnector('mooncake'), [pod('p0')], runs('MooncakeConnector', 'mooncake')), {
    dialect: 'mooncake',
    from: 'arguments',
  });
  t.match(chooseDialect(withConnector('lmcache'), [pod('p0')], silent), { dialect: 'two-step', from: 'kvConnector' });
  t.match(chooseDialect(server, [pod('p0')], runs('NixlConnector', 'nixl-pull')), {
    dialect: 'nixl-pull',
    from: 'arguments',
    because: 'spec.kvConnector is absent, and the pods run NixlConnector',
  });
  t.match(chooseDialect(server, [pod('p0')], silent), { dialect: 'two-step', from: 'nothing' });
  t.match(chooseDialect({ ...server, spec: { ...server.spec, inferenceEngine: 'SGLang' } }, [pod('p0')], silent), {
    dialect: 'sglang',
  });
  t.end();
});

import t from 'tap';
import type { ModelRoute } from '../../../src/api/types.js';
import { RouteTable, type Wanted } from '../../../src/core/pairing/match-route.js';

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

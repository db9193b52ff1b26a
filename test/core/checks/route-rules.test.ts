/** What a ModelRoute says: models, targets, weights, patterns, and the objects that it names. */
import t from 'tap';
import type { ModelRoute } from '../../../src/api/types.js';
import { checkModelRoute } from '../../../src/core/checks/check.js';
import type { CheckContext } from '../../../src/core/checks/context.js';
import { type Said, surroundings, tells } from './boundaries.js';
import { route, server } from './servers.js';

type Row = readonly [given: string, route: ModelRoute, ...says: Said[]];

function boundaries(code: string, rows: readonly Row[], more: Partial<CheckContext> = {}): void {
  t.test(`${code} ${Object.keys(more).join(' ')}`, async (t) => {
    for (const [given, one, ...says] of rows) {
      const found = checkModelRoute(one, { ...surroundings, ...more }).filter((finding) => finding.code === code);
      tells(t, given, found, says);
    }
  });
}

boundaries('TND-211', [
  ['a model', route()],
  ['adapters', route({ modelName: undefined, loraAdapters: ['a'] })],
  ['both', route({ loraAdapters: ['a'] })],
  ['neither', route({ modelName: undefined }), { path: 'spec.modelName', saw: undefined }],
  ['empty, and no adapters', route({ modelName: '', loraAdapters: [] }), { path: 'spec.modelName' }],
  ['an empty adapter', route({ loraAdapters: ['a', ''] }), { path: 'spec.loraAdapters[1]', saw: '', want: 'a name' }],
]);

const to = (...targetModels: object[]) => route({ rules: [{ targetModels }] });
const demo = { modelServerName: 'demo' };
const outside = { externalModelProviderName: 'x' };
const first = 'spec.rules[0].targetModels';
boundaries('TND-212', [
  ['a target', to(demo)],
  ['no rules', route({ rules: [] }), { path: 'spec.rules', saw: undefined, want: 'at least one rule' }],
  ['nothing of rules', route({ rules: undefined }), { path: 'spec.rules' }],
  ['no targets', to(), { path: first, saw: undefined, want: 'a target with a weight' }],
  ['nothing of targets', route({ rules: [{}] }), { path: first, saw: undefined }],
  ['weights of which one counts', to({ ...demo, weight: 0 }, { ...demo, weight: 1 })],
  [
    'weights that are all 0',
    to({ ...demo, weight: 0 }, { ...demo, weight: 0 }),
    { path: first, saw: 'weights that are all 0' },
  ],
  ['nothing said of one weight', to({ ...demo, weight: 0 }, demo)],
  ['neither server nor provider', to({}), { path: `${first}[0]`, saw: undefined, want: /^either/ }],
  ['both', to(demo, { ...demo, ...outside }), { path: `${first}[1]`, saw: 'both' }],
  ['a provider', to(outside)],
  [
    'a provider and adapters',
    route({ loraAdapters: ['a'], rules: [{ targetModels: [outside] }] }),
    { path: `${first}[0].externalModelProviderName`, saw: 'x' },
  ],
  ['a server and adapters', route({ loraAdapters: ['a'] })],
  [
    'the second rule',
    route({ rules: [{ targetModels: [demo] }, { targetModels: [] }] }),
    { path: 'spec.rules[1].targetModels' },
  ],
]);

const matching = (modelMatch: object) => route({ rules: [{ modelMatch, targetModels: [demo] }] });
const match = 'spec.rules[0].modelMatch';
boundaries('TND-213', [
  ['nothing to match', matching({})],
  ['no rules', route({ rules: undefined })],
  ['a pattern', matching({ uri: { regex: '^/v1/.*$' }, headers: { a: { regex: '[a-z]+' } } })],
  [
    'what RE2 knows and JavaScript does not',
    matching({ uri: { regex: '(?i)^/V1' }, headers: { a: { regex: '\\Ax[[:alpha:]]+\\z' } } }),
  ],
  [
    'what JavaScript knows and RE2 does not',
    matching({ uri: { regex: '(?=x)' }, headers: { a: { regex: '(a)\\1' } } }),
    { path: `${match}.headers["a"].regex`, saw: '(a)\\1' },
    { path: `${match}.uri.regex`, saw: '(?=x)', fix: /^correct it: ./ },
  ],
  ['an exact text is no pattern', matching({ uri: { exact: '(' } })],
  ['a broken one', matching({ uri: { regex: '(' } }), { path: `${match}.uri.regex`, saw: '(', severity: 'error' }],
  [
    'a broken one of a header',
    matching({ headers: { a: { exact: 'x' }, b: { regex: '[' } } }),
    { path: `${match}.headers["b"].regex`, saw: '[' },
  ],
  [
    'exact and prefix',
    matching({ uri: { exact: '/a', prefix: '/b' } }),
    { path: `${match}.uri`, saw: 'exact and prefix', fix: /but exact,/, severity: 'warning' },
  ],
  [
    'prefix and regex',
    matching({ headers: { a: { prefix: 'x', regex: 'y' } } }),
    { path: `${match}.headers["a"]`, fix: /but prefix,/ },
  ],
  ['all three', matching({ uri: { exact: 'a', prefix: 'b', regex: 'c' } }), { saw: 'exact and prefix and regex' }],
]);

const named = (name: string, namespace?: string) => ({
  ...server(),
  metadata: { name, ...(namespace && { namespace }) },
});
const targets: readonly Row[] = [
  ['a ModelServer of this namespace', to(demo)],
  [
    'another name',
    to(demo, { modelServerName: 'absent' }),
    { path: `${first}[1].modelServerName`, saw: 'absent', severity: 'warning' },
  ],
  ['a provider', to(outside)],
  ['a ModelServer of another namespace', to({ modelServerName: 'far' }), { saw: 'far' }],
  ['a ModelServer that says no namespace', to({ modelServerName: 'near' })],
  ['no rules', route({ rules: undefined })],
  ['no targets', route({ rules: [{}] })],
];
boundaries('TND-214', targets, { modelServers: [server(), named('far', 'b'), named('near')] });
boundaries('TND-214', [['it is not known what there is', to({ modelServerName: 'absent' })]]);

const another = (spec: object, name = 'other', namespace = 'default') => ({
  ...route(spec),
  metadata: { name, namespace },
});
boundaries('TND-215', [['it is not known what there is', route()]]);
boundaries(
  'TND-215',
  [
    ['itself', route()],
    ['another model', route({ modelName: 'x' })],
  ],
  { modelRoutes: [route()] },
);
boundaries(
  'TND-215',
  [
    ['one model', route(), { path: 'spec.modelName', saw: 'qwen', want: 'a model that other does not route' }],
    ['adapters alone', route({ modelName: undefined })],
    ['no model', route({ modelName: '' })],
  ],
  { modelRoutes: [route(), another({}), another({ modelName: undefined }, 'a'), another({ modelName: '' }, 'b')] },
);
boundaries('TND-215', [['one model of another namespace', route()]], { modelRoutes: [another({}, 'other', 'b')] });

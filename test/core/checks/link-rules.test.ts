/** A ModelServer beside the ModelServing whose pods it selects; what is said is said to the author of the judged object. */
import t from 'tap';
import type { ModelServer } from '../../../src/api/types.js';
import { checkModelServer, checkServing } from '../../../src/core/checks/check.js';
import type { CheckContext } from '../../../src/core/checks/context.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { engine, profiles, role, type Said, surroundings, tells } from './boundaries.js';
import { config, connector, decode, prefill, replaced } from './edits.js';
import { type Base, both, draft, type Edit, type RoleDraft } from './example.js';
import { group, selecting, server } from './servers.js';

interface Given {
  readonly server?: ModelServer;
  readonly edits?: readonly Edit[];
  readonly base?: Base;
  readonly more?: Partial<CheckContext>;
}
/** What the author of the ModelServer hears, and what the author of the ModelServing does. */
type Row = readonly [given: string, Given, server: readonly Said[], serving: readonly Said[]];

function boundaries(code: string, rows: readonly Row[]): void {
  t.test(code, async (t) => {
    for (const [given, { server: one = server(), edits = [], base = 'gpu', more }, toServer, toServing] of rows) {
      const reading = readServing(draft(base, ...edits), profiles);
      const context = { ...surroundings, ...more };
      const ofCode = (finding: { code: string }) => finding.code === code;
      tells(
        t,
        `${given}, to the server`,
        checkModelServer(one, { ...context, modelServings: [reading] }).filter(ofCode),
        toServer,
      );
      tells(
        t,
        `${given}, to the serving`,
        checkServing(reading, { ...context, modelServers: [one] }).filter(ofCode),
        toServing,
      );
    }
  });
}

const configAt = (index: number) => new RegExp(`^spec\\.template\\.roles\\[${index}\\].*args\\[\\d+\\]$`);
const script = both((r) => {
  const flags = Object.entries(r.flags).map(([name, value]) => `--${name} ${value}`);
  r.command = ['sh', '-c'];
  r.container['args'] = [`vllm serve ${flags.join(' ')} --kv-transfer-config '${JSON.stringify(r.config)}'`];
});
const hidden = both((r) => Object.assign(r, { command: ['/start.sh'], flags: {}, config: undefined }));

const speaking = (type: string) => server({ kvConnector: { type } });
const cache = both((r) => Object.assign(r, { config: { kv_connector: 'LMCacheConnectorV1', kv_role: 'kv_both' } }));
boundaries('TND-004', [
  ['nothing named', {}, [], []],
  ['NIXL', { server: speaking('nixl') }, [], []],
  ['NIXL push', { server: speaking('nixl'), edits: [connector('NixlPushConnector')] }, [], []],
  ['Mooncake of vllm-ascend', { server: speaking('mooncake'), base: 'npu' }, [], []],
  ['upstream Mooncake', { server: speaking('mooncake'), edits: [connector('MooncakeConnector')] }, [], []],
  [
    'Mooncake by layers',
    { server: speaking('mooncake'), base: 'npu', edits: [connector('MooncakeLayerwiseConnector')] },
    [],
    [],
  ],
  ['LMCache', { server: speaking('lmcache'), edits: [cache] }, [], []],
  ['LMCache over HTTP', { server: speaking('http'), edits: [cache] }, [], []],
  ['shared storage over HTTP', { server: speaking('http'), edits: [connector('SharedStorageConnector')] }, [], []],
  [
    'another one on decode',
    { server: speaking('nixl'), edits: [decode(config({ kv_connector: 'P2pNcclConnector' }))] },
    [{ path: 'spec.kvConnector.type', saw: 'nixl', want: /^a type for P2pNcclConnector \(dialect/, severity: 'error' }],
    [{ path: configAt(1), saw: 'P2pNcclConnector', want: 'a connector for nixl, as ModelServer demo says' }],
  ],
  ['another one on both', { server: speaking('lmcache') }, [{}, {}], [{ path: configAt(0) }, { path: configAt(1) }]],
  ['a type that nobody knows', { server: speaking('carrier-pigeon') }, [{}, {}], [{}, {}]],
  ['a connector that no profile knows', { server: speaking('nixl'), edits: [connector('MyConnector')] }, [], []],
  ['an SGLang server', { server: server({ inferenceEngine: 'SGLang', kvConnector: { type: 'lmcache' } }) }, [], []],
  [
    'a script that was read by guess',
    { server: speaking('lmcache'), edits: [script] },
    [{ severity: 'warning' }, {}],
    [{ severity: 'warning' }, {}],
  ],
  [
    'while both may still change',
    { server: speaking('lmcache'), more: { objects: 'live' } },
    [{ severity: 'warning' }, {}],
    [{ severity: 'warning' }, {}],
  ],
]);

boundaries('TND-207', [
  ['vLLM', {}, [], []],
  ['SGLang', { server: server({ inferenceEngine: 'SGLang' }), base: 'sglang' }, [], []],
  ['a build of vLLM', { base: 'npu' }, [], []],
  [
    'SGLang runs',
    { base: 'sglang' },
    [{ path: 'spec.inferenceEngine', saw: 'vLLM', want: 'SGLang, as in ModelServing demo' }, {}],
    [
      { path: `${engine.prefill}.image`, saw: 'SGLang', want: 'vLLM, as in ModelServer demo' },
      { path: `${engine.decode}.image` },
    ],
  ],
]);

const serves = (name: string) => replaced({ 'served-model-name': name });
const unnamed = (r: RoleDraft) => Reflect.deleteProperty(r.flags, 'served-model-name');
boundaries('TND-210', [
  ['one name', {}, [], []],
  [
    'one of several names',
    {
      edits: [both((r) => Object.assign(r.container, { args: ['--model', 'm', '--served-model-name', 'a', 'qwen'] }))],
    },
    [],
    [],
  ],
  [
    'another name on decode',
    { edits: [decode(serves('other'))] },
    [{ path: 'spec.model', saw: 'qwen', want: 'other, as ModelServing demo serves it', severity: 'error' }],
    [{ path: configAt(1), saw: 'other', want: 'qwen, as ModelServer demo asks for it' }],
  ],
  [
    'the model under its own name',
    { edits: [both(unnamed)] },
    [{ want: /^Qwen\/Qwen3-0\.6B, as/ }, {}],
    [{ path: `${engine.prefill}.args` }, {}],
  ],
  ['no model asked for', { server: server({ model: undefined }) }, [], []],
  ['an empty one', { server: server({ model: '' }) }, [], []],
  ['engines that name none', { edits: [both(unnamed), both((r) => Reflect.deleteProperty(r.flags, 'model'))] }, [], []],
  ['a command that cannot be read', { edits: [hidden] }, [], []],
  ['a guess', { edits: [both(serves('x')), script] }, [{ severity: 'warning' }, {}], [{ severity: 'warning' }, {}]],
]);

boundaries('TND-065', [
  ['one port', {}, [], []],
  [
    'another port of decode',
    { edits: [decode(replaced({ port: '9000' }))] },
    [{ path: 'spec.workloadPort.port', saw: 8000, want: '9000, the port of ModelServing demo decode' }],
    [{ path: configAt(1), saw: 9000, want: '8000, as ModelServer demo says' }],
  ],
  ['a command that cannot be read', { server: server({ workloadPort: { port: 1 } }), edits: [hidden] }, [], []],
]);

const labels = (name: string, more: object = {}) => ({ 'modelserving.volcano.sh/role': name, ...more });
const sideOf = (prefillLabels: object, decodeLabels: object) => server(group({ prefillLabels, decodeLabels }));
const at = 'spec.workloadSelector.pdGroup';
boundaries('TND-208', [
  ['both sides', {}, [], []],
  ['no sides', { server: server(selecting({ pdGroup: undefined })) }, [], []],
  ['another serving', { server: server(selecting({ matchLabels: { 'modelserving.volcano.sh/name': 'x' } })) }, [], []],
  [
    'a label that no pod has',
    { server: server(selecting({ matchLabels: { 'modelserving.volcano.sh/name': 'demo', app: 'x' } })) },
    [],
    [],
  ],
  [
    'nobody decodes',
    { server: sideOf(labels('prefill'), labels('d')) },
    [{ path: `${at}.decodeLabels`, saw: labels('d'), want: 'labels of a decode role of ModelServing demo' }],
    [{ path: 'spec.template.roles', want: /^labels of a decode role/ }],
  ],
  [
    'the sides exchanged',
    { server: sideOf(labels('decode'), labels('prefill')) },
    [
      { path: `${at}.decodeLabels`, saw: 'the role prefill', want: 'a role whose kv_role is that of decode' },
      { path: `${at}.prefillLabels`, saw: 'the role decode', fix: 'select the prefill role' },
    ],
    [{ path: 'spec.template.roles' }, { path: 'spec.template.roles' }],
  ],
  [
    'a role that serves alone may be either',
    {
      edits: [decode((r) => Object.assign(r, { name: 'chat', config: undefined }))],
      server: sideOf(labels('prefill'), labels('chat')),
    },
    [],
    [],
  ],
  [
    'labels that the controller writes later',
    { server: sideOf(labels('prefill', { 'modelserving.volcano.sh/group-name': 'x' }), labels('decode')) },
    [],
    [],
  ],
  [
    'a label of the template',
    {
      edits: [decode((r) => Object.assign(r.metadata, { labels: { tier: 'a' } }))],
      server: sideOf(labels('prefill'), labels('decode', { tier: 'a' })),
    },
    [],
    [],
  ],
  [
    'a label that the template lacks',
    { server: sideOf(labels('prefill'), labels('decode', { tier: 'a' })) },
    [{}],
    [{}],
  ],
  [
    'another value in the template',
    {
      edits: [decode((r) => Object.assign(r.metadata, { labels: { tier: 'b' } }))],
      server: sideOf(labels('prefill'), labels('decode', { tier: 'a' })),
    },
    [{}],
    [{}],
  ],
]);

const mooncake = connector('MooncakeConnector');
const exchanged = sideOf(labels('decode'), labels('prefill'));
boundaries('TND-079', [
  ['each side its work', { edits: [mooncake] }, [], []],
  [
    'the sides exchanged',
    { edits: [mooncake], server: exchanged },
    [
      { path: `${at}.decodeLabels`, saw: 'the role prefill, a kv_producer', want: 'no kv_producer' },
      { path: `${at}.prefillLabels`, saw: 'the role decode, a kv_consumer', want: 'no kv_consumer' },
    ],
    [
      { path: configAt(0), saw: 'kv_producer', want: 'another kv_role: ModelServer demo selects it by decodeLabels' },
      { path: configAt(1), saw: 'kv_consumer', fix: /^correct prefillLabels/ },
    ],
  ],
  ['both may do both', { edits: [mooncake, both(config({ kv_role: 'kv_both' }))], server: exchanged }, [], []],
  ['another connector', { server: exchanged }, [], []],
]);

const withWorker = (labels?: object): Edit =>
  decode((r) =>
    Object.assign(r.role, {
      workerReplicas: 1,
      workerTemplate: { metadata: { labels }, spec: { containers: [{ name: 'w', image: 'x', args: ['--headless'] }] } },
    }),
  );
boundaries('TND-038', [
  ['entries only', { edits: [withWorker()] }, [], []],
  ['no workers', { server: sideOf(labels('prefill'), labels('decode')) }, [], []],
  [
    'workers too',
    { edits: [withWorker()], server: sideOf(labels('prefill'), labels('decode')) },
    [{ path: `${at}.decodeLabels`, saw: 'workers of the role decode too', want: 'entry pods only' }],
    [{ path: `${role.decode}.workerReplicas` }],
  ],
  [
    'a label that only the entry has',
    {
      edits: [withWorker(), decode((r) => Object.assign(r.metadata, { labels: { api: 'yes' } }))],
      server: sideOf(labels('prefill'), { ...labels('decode'), api: 'yes' }),
    },
    [],
    [],
  ],
  [
    'workers of a role that is not selected',
    { edits: [withWorker()], server: sideOf(labels('prefill'), labels('x')) },
    [],
    [],
  ],
]);

const whole = server(selecting({ pdGroup: undefined }));
boundaries('TND-038', [
  ['no pair and no workers', { server: whole }, [], []],
  [
    'no pair, and workers too',
    { edits: [withWorker()], server: whole },
    [{ path: 'spec.workloadSelector.matchLabels', saw: 'workers of the role decode too', severity: 'warning' }],
    [{ path: `${role.decode}.workerReplicas`, want: 'entry pods only', severity: 'warning' }],
  ],
  [
    'no pair, entries only',
    {
      edits: [withWorker()],
      server: server(
        selecting({
          pdGroup: undefined,
          matchLabels: { 'modelserving.volcano.sh/name': 'demo', 'modelserving.volcano.sh/entry': 'true' },
        }),
      ),
    },
    [],
    [],
  ],
]);

const outside = decode(replaced({ 'data-parallel-external-lb': true, 'data-parallel-size-local': '4' }));
boundaries('TND-216', [
  ['one API', {}, [], []],
  ['ranks inside one API', { edits: [decode(replaced({ 'data-parallel-size-local': '4' }))] }, [], []],
  [
    'ranks with APIs of their own',
    { edits: [outside] },
    [
      {
        path: 'spec.workloadPort.port',
        saw: 'one port for ranks at 8000 to 8003',
        want: 'one API of the role decode',
        severity: 'warning',
      },
    ],
    [{ path: `${engine.decode}.args`, want: 'one API, as ModelServer demo has one port', fix: /external-lb/ }],
  ],
  ['a command that cannot be read', { edits: [outside, hidden] }, [], []],
]);

t.test('TND-209', async (t) => {
  const hear = (matchLabels: unknown, servings: CheckContext['modelServings']) =>
    checkModelServer(server(selecting({ matchLabels })), {
      ...surroundings,
      ...(servings && { modelServings: servings }),
    })
      .filter(({ code }) => code === 'TND-209')
      .map(({ saw }) => saw);
  const reading = readServing(
    draft(
      'gpu',
      prefill((r) => Object.assign(r.metadata, { labels: { tier: 'a' } })),
    ),
    profiles,
  );
  const kthena = (name: string) => `modelserving.volcano.sh/${name}`;
  t.same(hear({ [kthena('name')]: 'demo' }, [reading]), []);
  t.same(hear({ [kthena('name')]: 'demo', tier: 'a' }, [reading]), [], 'one role is enough');
  t.same(hear({ [kthena('name')]: 'x' }, [reading]), [{ [kthena('name')]: 'x' }]);
  t.same(hear({ [kthena('name')]: 'x', app: 'y' }, [reading]).length, 1, 'one label of a ModelServing is enough');
  t.same(hear({ [kthena('name')]: 'x' }, []).length, 1, 'there is none at all');
  t.same(hear({ [kthena('name')]: 'x' }, undefined), [], 'it is not known what there is');
  t.same(hear({ app: 'x' }, [reading]), [], 'pods of a Deployment may be meant');
  t.same(hear({}, [reading]), []);
  t.same(hear(undefined, [reading]), []);
});

t.test('a serving beside what it has nothing to do with', async (t) => {
  const heard = (one: ModelServer) =>
    checkServing(readServing(draft('gpu'), profiles), {
      ...surroundings,
      modelServers: [one],
    }).map(({ code }) => code);
  const elsewhere = { inferenceEngine: 'SGLang', model: 'x', workloadPort: { port: 1 } };
  t.same(heard(server({ ...elsewhere, ...selecting({ matchLabels: { app: 'x' } }) })), []);
  t.same(heard(server({ ...elsewhere, ...selecting({ matchLabels: {} }) })), [], 'nothing selected is nothing linked');
  t.same(heard(server({ ...elsewhere, workloadSelector: undefined })), []);
});

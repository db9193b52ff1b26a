/** Which pods of a ModelServing a ModelServer selects: sides, their work, workers; told to the author of the judged object. */
import t from 'tap';
import type { ModelServer } from '../../../src/api/types.js';
import { checkModelServer, checkServing } from '../../../src/core/checks/check.js';
import type { CheckContext } from '../../../src/core/checks/context.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { profiles, role, surroundings } from './boundaries.js';
import { config, connector, decode, prefill } from './edits.js';
import { both, draft, type Edit } from './example.js';
import { boundaries, configAt } from './link-boundaries.js';
import { group, selecting, server } from './servers.js';

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

/** What a ModelServer says of the engines behind it: connector, engine, model, port; told to the author of the judged object. */
import { engine } from './boundaries.js';
import { config, connector, decode, replaced } from './edits.js';
import { both, type RoleDraft } from './example.js';
import { boundaries, configAt } from './link-boundaries.js';
import { server } from './servers.js';

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

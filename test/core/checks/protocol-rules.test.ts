/** What router and engines say to each other beside the handover: ports of receivers, order of start, dialects. */
import t from 'tap';
import { boundaries, engine, findings, pod } from './boundaries.js';
import { annotated, config, connector, decode, env, lmcachePd, prefill, spec, waiting } from './edits.js';
import { both, type Edit, type RoleDraft } from './example.js';

const configAt = /^spec\.template\.roles\[1\].*args\[\d+\]$/;
const ports = (init: string | undefined, alloc: string | undefined): Edit =>
  decode(
    env({
      ...(init !== undefined && { LMCACHE_PD_PEER_INIT_PORT: init }),
      ...(alloc !== undefined && { LMCACHE_PD_PEER_ALLOC_PORT: alloc }),
    }),
  );
const two = decode((r) => Object.assign(r.flags, { 'tensor-parallel-size': '2' }));
const extra = (more: object) => decode((r) => Object.assign(r.extra, more));
const fromMap = { valueFrom: { configMapKeyRef: { name: 'kv', key: 'init' } } };
const receiving = (...edits: Edit[]) => [lmcachePd, two, ...edits];

boundaries('TND-045', 'gpu', [
  ['nothing readable', receiving()],
  ['a port for each rank', receiving(ports('7300,7301', '7400, 7401'))],
  ['in brackets', receiving(ports('[7300, 7301]', '[7400,7401]'))],
  ['a comma at the end', receiving(ports('7300,7301,', '7400,7401'))],
  [
    'one port',
    receiving(ports('7300', '7400,7401')),
    { path: configAt, saw: 'pd_peer_init_port with 1 ports', want: /^2, one/ },
  ],
  [
    'three ports',
    receiving(ports('7300,7301', '1,2,3')),
    { saw: 'pd_peer_alloc_port with 3 ports', fix: /list 2 different/ },
  ],
  ['no port', receiving(ports('', undefined)), { saw: 'pd_peer_init_port with 0 ports' }],
  [
    'the configuration counts before the variable',
    receiving(ports('1', undefined), extra({ 'lmcache.pd_peer_init_port': [7300, 7301] })),
  ],
  ['a list that is too short', receiving(extra({ 'lmcache.pd_peer_init_port': [7300] })), { saw: /with 1 ports$/ }],
  ['a number', receiving(extra({ 'lmcache.pd_peer_init_port': 7300 })), { saw: /with 1 ports$/ }],
  ['a text', receiving(extra({ 'lmcache.pd_peer_init_port': '7300,7301' }))],
  [
    'a file makes LMCache ignore variables',
    receiving(ports('1', '1'), decode(env({ LMCACHE_CONFIG_FILE: '/x' }))),
    {
      path: `${engine.decode}.env["LMCACHE_CONFIG_FILE"]`,
      saw: 'the file /x',
      want: '2 ports in pd_peer_init_port and in pd_peer_alloc_port, one for each tensor-parallel rank',
      fix: /tandem check -f/,
      severity: 'warning',
    },
  ],
  [
    'ports in a ConfigMap',
    receiving(ports(undefined, '1,2'), decode(env({ LMCACHE_PD_PEER_INIT_PORT: fromMap }))),
    {
      path: `${engine.decode}.env["LMCACHE_PD_PEER_INIT_PORT"]`,
      saw: 'ConfigMap kv, key init',
      want: '2 ports in LMCACHE_PD_PEER_INIT_PORT, one for each tensor-parallel rank',
      severity: 'warning',
    },
  ],
  [
    'a file whose name is in a Secret',
    receiving(decode(env({ LMCACHE_CONFIG_FILE: { valueFrom: { secretKeyRef: { name: 's', key: 'k' } } } }))),
    { saw: 'Secret s, key k' },
  ],
  [
    'a file beside a configuration that says it all',
    receiving(
      extra({ 'lmcache.pd_peer_init_port': [1, 2], 'lmcache.pd_peer_alloc_port': [1, 2] }),
      decode(env({ LMCACHE_CONFIG_FILE: '/x' })),
    ),
  ],
  [
    'but not its configuration',
    receiving(extra({ 'lmcache.pd_peer_init_port': [1] }), decode(env({ LMCACHE_CONFIG_FILE: '/x' }))),
    { saw: 'pd_peer_init_port with 1 ports' },
    { want: /^2 ports in pd_peer_alloc_port,/, severity: 'warning' },
  ],
  ['the sender', [lmcachePd, prefill(env({ LMCACHE_PD_PEER_INIT_PORT: '1,2' }))]],
  ['another connector', [two, ports('1', '1')]],
]);

boundaries('TND-073', 'gpu', [
  ['a wait', [lmcachePd, waiting]],
  [
    'no wait',
    [lmcachePd],
    { path: `${pod.prefill}.initContainers`, saw: undefined, want: 'a wait for the pods of decode' },
  ],
  ['an empty list', [lmcachePd, prefill((r) => Object.assign(r.pod, { initContainers: [] }))], {}],
  ['another connector', []],
]);

const off = annotated({ 'tandem.dev/expand': 'off' });
const byRole = spec({ rolloutStrategy: { type: 'RoleRollingUpdate' } });
boundaries('TND-071', 'gpu', [
  ['off, roles one by one', [off, byRole], { path: 'spec.rolloutStrategy.type', saw: /off$/, severity: 'warning' }],
  ['off, groups one by one', [off, spec({ rolloutStrategy: { type: 'ServingGroupRollingUpdate' } })]],
  ['off, nothing said', [off]],
  ['pods, roles one by one', [annotated({ 'tandem.dev/expand': 'pods' }), byRole]],
  ['no annotations', [byRole]],
  ['off, without a pair', [off, byRole, decode((r) => Object.assign(r, { name: 'chat', config: undefined }))]],
]);

const layerwise = connector('MooncakeLayerwiseConnector');
const alone = (r: RoleDraft) =>
  Object.assign(r, { name: 'chat', config: { kv_connector: r.config?.['kv_connector'], kv_role: 'kv_both' } });
const said = (code: string, base: 'gpu' | 'npu', edits: readonly Edit[], dialects?: readonly string[]) =>
  findings(code, base, edits, dialects ? { dialects } : {}).map(({ path, saw, want }) => ({ path, saw, want }));

t.test('TND-072', async (t) => {
  t.match(said('TND-072', 'npu', [layerwise], ['nixl-pull']), [{ path: configAt, saw: 'MooncakeLayerwiseConnector' }]);
  t.same(said('TND-072', 'npu', [layerwise], ['layerwise']), [], 'the router answers');
  t.same(said('TND-072', 'npu', [layerwise]), [], 'it is not known which router is used');
  t.same(said('TND-072', 'npu', [], []), [], 'another connector');
  t.same(said('TND-072', 'npu', [layerwise, both(alone)], []), [], 'a role that serves alone');
});

t.test('TND-115', async (t) => {
  t.match(said('TND-115', 'gpu', [], ['two-step', 'sglang']), [
    { path: configAt, saw: 'NixlConnector (nixl-pull)', want: 'a connector that speaks one of two-step, sglang' },
  ]);
  t.same(said('TND-115', 'gpu', [], ['nixl-pull']), [], 'the router speaks it');
  t.same(said('TND-115', 'gpu', []), [], 'it is not known which router is used');
  t.same(said('TND-115', 'npu', [layerwise], ['nixl-pull']), [], 'that is TND-072');
  t.same(said('TND-115', 'gpu', [both(alone)], []), [], 'a role that serves alone');
  t.same(said('TND-115', 'gpu', [connector('MyConnector')], []), [], 'a connector that nobody knows');
  t.same(said('TND-115', 'gpu', [both((r) => Object.assign(r, { config: undefined }))], []), [], 'no connector');
  t.same(said('TND-115', 'gpu', [decode(config({ kv_connector: 'MyConnector' }))], []), [], 'prefill is told nothing');
});

/** What ConfigMaps at hand tell the engines of a serving, written out for checks. */
import t from 'tap';
import type { Container } from '../../../src/api/kube.js';
import { type ConfigMaps, withConfigMaps } from '../../../src/core/checks/config-maps.js';
import { packagedProfiles, servingOf } from '../expand/samples.js';

const profiles = packagedProfiles();
const mapsOf = (all: Record<string, Record<string, string>>): ConfigMaps => new Map(Object.entries(all));

function told(container: object, maps: Record<string, Record<string, string>>, spec: object = {}) {
  const serving = servingOf(
    JSON.stringify([
      { name: 'decode', entryTemplate: { spec: { containers: [{ name: 'e', ...container }], ...spec } } },
    ]),
  );
  const { spec: after } = withConfigMaps(serving, mapsOf(maps), profiles);
  return after.template.roles[0]?.entryTemplate?.spec?.containers[0] as Container;
}
const envOf = (...given: Parameters<typeof told>) =>
  (told(...given).env ?? []).map(({ name, value, valueFrom }) => `${name}=${value ?? JSON.stringify(valueFrom)}`);
const reference = (name: string, key: string) => ({ valueFrom: { configMapKeyRef: { name, key } } });

t.test('a variable by reference', async (t) => {
  const env = [
    { name: 'A', ...reference('m', 'a') },
    { name: 'B', value: 'b' },
  ];
  t.same(envOf({ env }, { m: { a: '1' } }), ['A=1', 'B=b']);
  const left = ['A={"configMapKeyRef":{"name":"m","key":"a"}}', 'B=b'];
  t.same(envOf({ env }, { other: { a: '1' } }), left, 'another ConfigMap');
  t.same(envOf({ env }, { m: { b: '1' } }), left, 'another key');
  t.same(envOf({ env }, { m: { a: 'x'.repeat(65_537) } }), left, 'a text that is too long');
  t.same(envOf({ env: [{ name: 'A', ...reference('m', 'toString') }] }, { m: {} }).length, 1);
  t.same(envOf({ env: [{ name: 'S', valueFrom: { secretKeyRef: { name: 'm', key: 'a' } } }] }, { m: { a: '1' } }), [
    'S={"secretKeyRef":{"name":"m","key":"a"}}',
  ]);
});

t.test('variables of whole ConfigMaps', async (t) => {
  const envFrom = [
    { configMapRef: { name: 'm' } },
    { configMapRef: { name: 'n' }, prefix: 'N_' },
    { configMapRef: { name: 'o' } },
    { secretRef: { name: 'm' } },
    { configMapRef: { name: 'absent' } },
  ];
  const maps = { m: { A: '1', B: '2' }, n: { A: '3' }, o: { A: '4' } };
  t.same(envOf({ envFrom }, maps), ['A=4', 'B=2', 'N_A=3'], 'a later one counts more');
  t.same(
    envOf({ envFrom, env: [{ name: 'B', value: '$(A)' }] }, maps),
    ['A=4', 'N_A=3', 'B=$(A)'],
    'env most, and last',
  );
  t.same(told({ envFrom }, maps)['envFrom'], envFrom, 'and may still hold what is not at hand');
  t.equal(told({ envFrom }, { x: { A: '1' } }).env, undefined);
});

t.test('a configuration file of a connector', async (t) => {
  const file = 'pd_role: receiver\npd_peer_init_port: [7300, 7301]\nsave_unfull_chunk: true\n';
  const env = [
    { name: 'LMCACHE_CONFIG_FILE', value: '/etc/lmcache/kv.yaml' },
    { name: 'LMCACHE_PD_ROLE', value: 'x' },
    { name: 'B', value: 'b' },
  ];
  const volumeMounts = [
    { name: 'w', mountPath: '/etc/lmcach' },
    { name: 'v', mountPath: '/etc/lmcache/' },
  ];
  const volumes = [{ name: 'v', configMap: { name: 'm' } }];
  const read = [
    'B=b',
    'LMCACHE_PD_ROLE=receiver',
    'LMCACHE_PD_PEER_INIT_PORT=7300,7301',
    'LMCACHE_SAVE_UNFULL_CHUNK=true',
  ];
  const unread = ['LMCACHE_CONFIG_FILE=/etc/lmcache/kv.yaml', 'LMCACHE_PD_ROLE=x', 'B=b'];
  t.same(envOf({ env, volumeMounts }, { m: { 'kv.yaml': file } }, { volumes }), read, 'counts, and variables do not');
  const items = [{ name: 'v', configMap: { name: 'm', items: [{ key: 'k', path: 'kv.yaml' }] } }];
  t.same(envOf({ env, volumeMounts }, { m: { k: file } }, { volumes: items }), read, 'under another name');
  const alone = [{ name: 'v', mountPath: '/etc/lmcache/kv.yaml', subPath: 'kv.yaml' }];
  t.same(envOf({ env, volumeMounts: alone }, { m: { 'kv.yaml': file } }, { volumes }), read, 'as a single file');
  const named = [{ name: 'LMCACHE_CONFIG_FILE', ...reference('m', 'path') }, ...env.slice(1)];
  const maps = { m: { path: '/etc/lmcache/kv.yaml', 'kv.yaml': file } };
  t.same(envOf({ env: named, volumeMounts }, maps, { volumes }), read, 'whose name is in a ConfigMap');
  const wrong: readonly (readonly [string, object, Record<string, Record<string, string>>, object])[] = [
    ['not mounted', { env }, { m: { 'kv.yaml': file } }, { volumes }],
    [
      'from another kind of volume',
      { env, volumeMounts },
      { m: { 'kv.yaml': file } },
      { volumes: [{ name: 'v', emptyDir: {} }] },
    ],
    [
      'in a subfolder of the mount',
      { env, volumeMounts: [{ ...volumeMounts[1], subPath: 'x' }] },
      { m: { 'kv.yaml': file } },
      { volumes },
    ],
    ['not at hand', { env, volumeMounts }, { n: { 'kv.yaml': file } }, { volumes }],
    ['no YAML', { env, volumeMounts }, { m: { 'kv.yaml': '{' } }, { volumes }],
    ['a list', { env, volumeMounts }, { m: { 'kv.yaml': '[]' } }, { volumes }],
    ['full of aliases', { env, volumeMounts }, { m: { 'kv.yaml': 'a: &a [1]\nb: *a\n' } }, { volumes }],
  ];
  for (const [title, container, has, spec] of wrong) t.same(envOf(container, has, spec), unread, title);
});

t.test('no more is read than any engine needs', async (t) => {
  const long = 'x'.repeat(65_536);
  t.same(envOf({ env: [{ name: 'A', ...reference('m', 'a') }] }, { m: { a: long } }), [`A=${long}`]);
  const many = Object.fromEntries(Array.from({ length: 513 }, (_, at) => [`K${at}`, '1']));
  t.equal(envOf({ envFrom: [{ configMapRef: { name: 'm' } }] }, { m: many }).length, 512);
  const file = Object.keys(many)
    .map((key) => `${key}: 1`)
    .join('\n');
  const read = envOf(
    {
      env: [{ name: 'LMCACHE_CONFIG_FILE', value: '/etc/kv.yaml' }],
      volumeMounts: [{ name: 'v', mountPath: '/etc' }],
    },
    { m: { 'kv.yaml': file } },
    { volumes: [{ name: 'v', configMap: { name: 'm' } }] },
  );
  t.same([read.length, read[0]], [512, 'LMCACHE_K0=1']);
});

t.test('the object itself is not changed', async (t) => {
  const container = {
    name: 'e',
    env: [{ name: 'A', ...reference('m', 'a') }],
    envFrom: [{ configMapRef: { name: 'm' } }],
  };
  const serving = servingOf(JSON.stringify([{ name: 'decode', entryTemplate: { spec: { containers: [container] } } }]));
  const before = structuredClone(serving);
  t.not(withConfigMaps(serving, mapsOf({ m: { a: '1' } }), profiles), serving);
  t.strictSame(serving, before);
});

t.test('what is not the shape of a serving stays as it is', async (t) => {
  const maps = mapsOf({ m: {} });
  for (const spec of [
    undefined,
    null,
    [],
    {},
    { template: 1 },
    { template: { roles: {} } },
    { template: { roles: [1, {}, { entryTemplate: { spec: { containers: [null] } } }] } },
  ]) {
    const odd = { kind: 'ModelServing', metadata: {}, spec } as never;
    t.same(withConfigMaps(odd, maps, profiles), odd, JSON.stringify(spec));
  }
  const serving = servingOf('[]');
  t.equal(withConfigMaps(serving, new Map(), profiles), serving, 'nothing at hand, nothing done');
});

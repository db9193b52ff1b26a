import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import type { ModelServing } from '../../../src/api/types.js';
import { nothingKnown } from '../../../src/core/checks/context.js';
import { reviewServing } from '../../../src/core/checks/review.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { describeProblem, parseProfiles } from '../../../src/core/profiles/parse.js';
import type { Profiles } from '../../../src/core/profiles/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { profilesPage } from '../../../src/gen/profiles-page.js';
import { profilesAsText } from '../../../src/settings/profiles.js';
import { packagedProfiles, servingOf } from '../expand/samples.js';

const folder = 'config/profiles';
const page = readFileSync('docs/profiles.md', 'utf8');
const [accelerator = '', connector = ''] = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');

/** As the page says: a copy of another engine's file with another name, image and command. */
const engine = readFileSync(`${folder}/engine-vllm.yaml`, 'utf8')
  .replace('name: vllm\n', 'name: acme-vllm\n')
  .replace(/ {2}images:\n(?: {4}- .*\n)+/, "  images:\n    - 'acme/vllm'\n")
  .replace(/^ {2}image: .*$/m, '  image: registry.acme.example/acme/vllm:v1.2.3')
  .replaceAll('\n  command: [python3, -m, vllm.entrypoints.openai.api_server]', '\n  command: [acme, serve]')
  .replace('    - [vllm, serve]\n', '    - [acme, serve]\n');

function withFiles(files: Readonly<Record<string, string>>): Profiles {
  const packaged = readdirSync(folder).map((name) => ({ name, text: readFileSync(`${folder}/${name}`, 'utf8') }));
  const own = Object.entries(files).map(([name, text]) => ({ name, text }));
  const parsed = parseProfiles([...packaged, ...own]);
  if (!parsed.ok) throw new Error(parsed.problems.map(describeProblem).join('\n'));
  return parsed.profiles;
}

const terse = (connector: string): ModelServing =>
  servingOf('- name: prefill\n  entryTemplate: {}\n- name: decode\n  entryTemplate: {}\n', {
    'tandem.dev/model': 'org/model',
    'tandem.dev/accelerator': 'acme-a1',
    'tandem.dev/engine': 'acme-vllm',
    'tandem.dev/connector': connector,
    'tandem.dev/tensor-parallel': '3',
  });

t.test('a new accelerator, engine and connector are three files and no code', async (t) => {
  const profiles = withFiles({ 'a.yaml': accelerator, 'c.yaml': connector, 'e.yaml': engine });
  const { object, problems } = expandServing(terse('acme-link'), profiles, settings);
  t.same(problems, []);
  for (const { name, pod, template } of readServing(object, profiles).roles) {
    t.match(pod, {
      engine: { profile: { name: 'acme-vllm' }, tensorParallel: 3 },
      devices: { profile: { name: 'acme-a1' }, count: 4 },
      connector: { profile: { name: 'acme-link' }, name: 'AcmeConnector' },
      side: name,
    });
    const { container } = pod ?? {};
    t.equal(container?.image, 'registry.acme.example/acme/vllm:v1.2.3');
    t.same(container?.command, ['acme', 'serve']);
    t.match(container?.resources?.limits, { cpu: '24', memory: '192Gi', 'acme.example/a1': '4' });
    t.ok(container?.env?.some((env) => env.name === 'ACME_NIC' && env.value === 'eth0'));
    t.ok(container?.volumeMounts?.some(({ mountPath }) => mountPath === '/opt/acme'));
    t.ok(container?.ports?.some(({ containerPort }) => containerPort === (name === 'prefill' ? 30500 : 30600)));
    t.same(template.metadata?.labels, { 'acme.example/managed': 'true' });
  }
  t.same(expandServing(object, profiles, settings).patch, []);
});

t.test('the 15 lines alone do for an engine of the package', async (t) => {
  t.equal(accelerator.trimEnd().split('\n').length, 15);
  const alone = accelerator.replace('acme-vllm, ', '').replace('acme-link, ', '');
  const profiles = withFiles({ 'a.yaml': alone });
  const serving = servingOf('- name: decode\n  entryTemplate: {}\n', {
    'tandem.dev/model': 'org/model',
    'tandem.dev/accelerator': 'acme-a1',
  });
  const [role] = readServing(expandServing(serving, profiles, settings).object, profiles).roles;
  t.match(role?.pod, { devices: { profile: { name: 'acme-a1' } }, connector: { profile: { name: 'nixl' } } });
});

t.test('a family of models whose KV heads are one is a file and no code', async (t) => {
  const args = (tp: number, role: string) => [
    'acme/Latent-7B',
    '--tensor-parallel-size',
    String(tp),
    '--kv-transfer-config',
    JSON.stringify({ kv_connector: 'NixlConnector', kv_role: role }),
  ];
  const role = (name: string, tp: number, kvRole: string) => ({
    name,
    entryTemplate: {
      spec: {
        containers: [
          {
            name: 'e',
            image: 'vllm/vllm-openai:v0.14.0',
            args: args(tp, kvRole),
            resources: { limits: { 'nvidia.com/gpu': tp } },
          },
        ],
      },
    },
  });
  const roles = [role('prefill', 4, 'kv_producer'), role('decode', 2, 'kv_consumer')];
  const severityIn = (profiles: Profiles) =>
    reviewServing(servingOf(JSON.stringify(roles)), { profiles, settings }, nothingKnown).find(
      ({ code }) => code === 'TND-030',
    )?.severity;
  const file = `kind: models\nname: acme\ntitle: Acme\nkvHeads: one\nnames: ['acme/latent']\n`;
  t.equal(severityIn(packagedProfiles()), 'error');
  t.equal(severityIn(withFiles({ 'm.yaml': file })), 'warning');
  t.not(withFiles({ 'm.yaml': file }).revision, packagedProfiles().revision, 'so a serving is pinned to it too');
  const text = profilesAsText(withFiles({ 'm.yaml': file }));
  const again = parseProfiles([{ name: 'kept', text }]);
  t.equal(again.ok && severityIn(again.profiles), 'warning', 'what a history keeps says the same');
});

t.test('the page says what the files say', async (t) => {
  t.equal(page, profilesPage(packagedProfiles()), 'docs/profiles.md is stale: make gen');
  for (const { name } of [...packagedProfiles().connectors, ...packagedProfiles().accelerators])
    t.match(page, `| \`${name}\` |`);
});

t.test('a port that moves may stand anywhere in the configuration, or nowhere', async (t) => {
  const moving = readFileSync(`${folder}/connector-moriio.yaml`, 'utf8')
    .replace('name: moriio\n', 'name: acme-io\n')
    .replaceAll('MoRIIOConnector', 'AcmeIOConnector')
    .replaceAll('handshake_port: "6301"', 'handshake_port: 6301')
    .replaceAll(/( {4}fromConfig: kv_connector_extra_config\.)(\w+)\n/g, '$1$2\n    movable: true\n')
    .replace('kv_connector_extra_config.notify_port', 'not.there');
  const serving = servingOf(
    ['prefill', 'decode'].map((name) => `- {name: ${name}, entryTemplate: {spec: {hostNetwork: true}}}`).join('\n'),
    { 'tandem.dev/model': 'org/model', 'tandem.dev/accelerator': 'amd', 'tandem.dev/connector': 'acme-io' },
  );
  const { object, problems } = expandServing(serving, withFiles({ 'c.yaml': moving }), settings);
  t.same(problems, []);
  const configs = object.spec.template.roles.map(({ entryTemplate }) => {
    const { args = [] } = entryTemplate?.spec?.containers[0] ?? {};
    return JSON.parse(args[args.indexOf('--kv-transfer-config') + 1] ?? '') as Record<string, unknown>;
  });
  const extra = { notify_port: '61005' };
  t.match(configs, [
    { kv_connector_extra_config: { ...extra, handshake_port: 6301 } },
    { kv_connector_extra_config: { ...extra, handshake_port: 6501 } },
  ]);
  for (const config of configs)
    t.strictSame(
      Object.keys(config).filter((key) => /\.|not/.test(key)),
      [],
    );
});

import { isObject } from '../base/json.js';
import type { AcceleratorProfile, ConnectorProfile, EngineProfile, Profiles } from '../core/profiles/types.js';

const line = (cells: readonly string[]) =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |\n`;
const head = (cells: readonly string[]) => line(cells) + line(cells.map(() => '---'));
const table = (columns: readonly string[], rows: readonly (readonly string[])[]) =>
  head(columns) + rows.map((row) => line(row)).join('');
const code = (text: string) => `\`${text}\``;
const codes = (texts: readonly string[]) => texts.map(code).join(', ');

/** Examples of the page; a test expands a serving with them, so they work as printed. */
export const examples = {
  accelerator: `kind: accelerator
name: acme-a1
title: Acme A1
vendor: acme
resources: [acme.example/a1]
engines: [acme-vllm, vllm]
connectors: [acme-link, nixl]
allowedCounts: [1, 2, 4, 8]
perDevice: { cpu: "6", memory: 48Gi, because: host processes of one device }
env:
  - { name: ACME_NIC, value: eth0, because: the interface of the pod network, when: { podNetwork: true } }
volumes:
  - { name: acme-driver, hostPath: /opt/acme, type: Directory, mountPath: /opt/acme, readOnly: true, because: the driver's libraries }
labels:
  - { name: acme.example/managed, value: "true", because: the device plugin acts on pods with this label only }
`,
  connector: `kind: connector
name: acme-link
title: Acme's own link, decode pulls
engines: [acme-vllm]
connectors: [AcmeConnector]
dialect: nixl-pull
tensorParallel: equal
agree: []
engineId: engine
config:
  prefill: { kv_connector: AcmeConnector, kv_role: kv_producer, kv_port: "30500" }
  decode: { kv_connector: AcmeConnector, kv_role: kv_consumer, kv_port: "30600" }
ports:
  - { name: kv-link, port: 30500, fromConfig: kv_port, oneForEach: device, because: where the other side asks for KV }
`,
} as const;

/** `docs/profiles.md`: what a profile is, how to add one, and what those of the package say. */
export function profilesPage(profiles: Profiles): string {
  return `<!-- Generated from config/profiles by \`make gen\`. Do not edit. -->
# Profiles

A profile is YAML that describes an accelerator, an engine, a connector, a family of models or a network card. Tandem knows nothing about chips, engines and models beyond these files: a new one is a new file, no code.
\`tandem expand\`, \`check\` and \`webhook\` take \`--profiles FOLDER\` (all its \`*.yaml\`, for example a mounted ConfigMap) instead of the files of the package; the webhook follows the folder.
Every entry that adds something says why in \`because\`, and mostly where that is known from in \`source\`; \`tandem expand --explain\` prints both beside the field.

## A new accelerator in 15 lines

${example(examples.accelerator)}
Put it into a folder beside the others, and try it on a serving of four annotations and two empty roles:

    tandem expand -f serving.yaml --profiles my-profiles --explain     # tandem.dev/accelerator: acme-a1

What is wrong is printed with file, line and path, all of it at once, and a folder with one broken file is not used in part; a webhook that is running keeps the profiles it has:

    my-profiles/accelerator-acme.yaml:8: allowedCounts[0]: must be >= 1

It names an engine and a connector of its own. The connector is one more file:

${example(examples.connector)}
An engine says how its container is known, how its flags are spelled, and what the terse form writes: copy \`engine-vllm.yaml\`, and change \`name\`, \`recognise.images\` and \`terse\`. Then add a golden
file: \`test/core/expand/recipes.test.ts\` has one for every recipe. All fields, with their meaning, are in \`src/core/profiles/schema\`, one file for each kind; the placeholders of texts in \`schema.ts\` beside it.

## Revisions

The content of all profiles has a revision (comments and file names do not count). A serving is pinned to the revision it was first expanded from, in \`tandem.dev/profiles\`; an edit changes only servings
that come later. To accept the new content, remove the annotation and apply again: this rolls a serving in mode \`pods\`, and
one in mode \`template\` where its templates come out different (\`kubectl replace\` has them written anew). Inside a cluster the webhook keeps each revision in a ConfigMap (\`kubectl get configmaps -n
tandem-system -l tandem.dev/profile-revision\`); delete those that no serving is pinned to. See [decision 0009](decisions/0009-pinned-profiles.md).

## Accelerators

${accelerators(profiles)}
${options(profiles)}
## Engines

${engines(profiles)}
## Connectors

The image is that of the terse form where the engine's own lacks the connector; an accelerator that is not named there has no known image, and the terse form asks for one: write a container with
\`name\` and \`image\` only, and it gets the rest. *needs* is what no profile can know: \`tandem.dev/store: ADDRESS\` on the ModelServing fills the first of the variables in every pod, or the container has
one of them. \`shared-storage\` needs a file system that all nodes mount at \`/mnt/kv-cache\`.

${connectors(profiles)}
## Networks

\`tandem.dev/network: RESOURCE\` (or \`RESOURCE=COUNT\`) on a ModelServing asks for a card in every pod that moves KV; \`give\` in a profile does so for all servings of a cluster.

${networks(profiles)}
## Models

${models(profiles)}
## What they add

Only where it is absent. *terse* marks what is written into containers that the terse form makes, and nowhere else.

${additions(profiles)}`;
}

const example = (text: string) => `\`\`\`yaml\n${text}\`\`\`\n`;

function accelerators({ accelerators }: Profiles): string {
  return table(
    ['name', 'resources', 'devices per pod', 'engines', 'connectors, first is the default'],
    accelerators.map(({ name, resources, resourcePatterns = [], allowedCounts, engines, connectors }) => [
      code(name),
      codes([...resources, ...resourcePatterns]),
      allowedCounts?.join(', ') ?? 'any',
      codes(engines),
      codes(connectors),
    ]),
  );
}

function options({ accelerators }: Profiles): string {
  const rows = new Map<string, string[]>();
  for (const { name, options = [] } of accelerators) {
    for (const { name: option, title, values, pattern } of options) {
      const key = JSON.stringify([option, values ? codes(values) : pattern ? code(pattern) : 'any', title]);
      rows.set(key, [...(rows.get(key) ?? []), name]);
    }
  }
  const lines = table(
    ['option', 'values', 'says', 'accelerators'],
    [...rows]
      .map(([key, names]) => {
        const [option = '', values = '', title = ''] = JSON.parse(key) as readonly string[];
        return [code(option), values, title, codes(names)];
      })
      .sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
  );
  return `## Options

What only the people of a cluster know, an accelerator leaves open: \`tandem.dev/options: NAME=VALUE,NAME=VALUE\` on a ModelServing chooses it, \`--options\` of \`tandem webhook\`, \`all\`, \`expand\` and
\`check\` for all servings. \`NAME\` alone means \`NAME=on\`. Without a choice nothing of it is written; a pod that has the label, variable or mount already keeps its own.

${lines}`;
}

function engines({ engines }: Profiles): string {
  return table(
    ['name', 'started by', 'port', 'probe', 'time to load', 'image of the terse form', 'over several pods'],
    engines.map(({ name, recognise, port, probes, terse }) => [
      code(name),
      codes(recognise.programs.map((program) => program.join(' '))),
      String(port),
      code(probes.path),
      `${probes.loadBudgetSeconds} s`,
      code(terse.image),
      code(terse.severalPods?.image ?? terse.image),
    ]),
  );
}

function connectors({ connectors }: Profiles): string {
  return table(
    ['name', 'known by', 'engines', 'dialect of the router', 'tensor parallel', 'ports', 'image', 'needs'],
    connectors.map((row) => [
      code(row.name),
      knownBy(row),
      codes(row.engines),
      code(row.dialect),
      row.tensorParallel.replaceAll('-', ' '),
      (row.ports ?? []).map(({ name, port, oneForEach }) => `${name} ${port}${oneForEach ? '…' : ''}`).join(', '),
      Object.entries(row.images ?? {})
        .map(([accelerator, image]) => `${accelerator} ${code(image)}`)
        .join(', '),
      (row.needs ?? []).map(({ oneOf }) => oneOf.map(code).join(' or ')).join('; '),
    ]),
  );
}

function networks({ networks }: Profiles): string {
  return table(
    ['name', 'resources', 'given', 'capabilities'],
    networks.map(({ name, resourcePatterns, give, capabilities = [] }) => [
      code(name),
      codes(resourcePatterns),
      give ? `${give.count} ${code(give.resource)} with ${codes(give.connectors)}` : 'where a serving asks for it',
      codes(capabilities),
    ]),
  );
}

function models({ models }: Profiles): string {
  return table(
    ['name', 'known by', 'KV heads', 'source'],
    models.map(({ name, names, kvHeads, source = '' }) => [code(name), codes(names), kvHeads, source]),
  );
}

function knownBy({ connectors, backends = [] }: ConnectorProfile): string {
  if (connectors.length > 0) return codes(connectors);
  return backends.length > 0 ? `transfer backend ${codes(backends)}` : 'its first peer-to-peer connector';
}

const spelled = (condition: unknown): string =>
  isObject(condition)
    ? Object.entries(condition)
        .map(([label, values]) => `${label} ${spelled(values)}`.trimEnd())
        .join('; ')
    : [condition].flat().join(', ');

interface Wish {
  readonly because: string;
  readonly source?: string;
  readonly when?: Readonly<Record<string, unknown>>;
}

function metadata(profile: AcceleratorProfile | ConnectorProfile | EngineProfile) {
  if (profile.kind !== 'accelerator') return [];
  const { labels = [], annotations = [], nodeSelector = [] } = profile;
  return [
    ...labels.map((one) => ['label', one] as const),
    ...annotations.map((one) => ['annotation', one] as const),
    ...nodeSelector.map((one) => ['node selector', one] as const),
  ];
}

function additions({ accelerators, engines, connectors }: Profiles): string {
  const rows = [...accelerators, ...engines, ...connectors].flatMap((profile) => {
    const row = (what: string, { because, source = '', when = {} }: Wish) => [
      code(profile.name),
      what,
      Object.entries(when)
        .map(([key, value]) => (value === true ? key : `${key}: ${spelled(value)}`))
        .join('; '),
      because,
      source,
    ];
    return [
      ...(profile.env ?? []).map((env) => row(`env ${code(`${env.name}=${env.value ?? `<${env.fieldPath}>`}`)}`, env)),
      ...('volumes' in profile ? (profile.volumes ?? []) : []).map((one) => row(`mount ${code(one.mountPath)}`, one)),
      ...('configMaps' in profile ? (profile.configMaps ?? []) : []).map((one) =>
        row(`mount ${code(one.mountPath)} of ConfigMap ${code(one.configMap)}`, one),
      ),
      ...metadata(profile).map(([what, one]) => row(`${what} ${code(`${one.name}=${one.value}`)}`, one)),
      ...('capabilities' in profile ? (profile.capabilities ?? []) : []).map((one) =>
        row(`capability ${code(one.name)}`, one),
      ),
      ...('ports' in profile ? (profile.ports ?? []) : []).map((one) => row(`port ${code(String(one.port))}`, one)),
    ];
  });
  return table(['profile', 'adds', 'when', 'because', 'source'], rows);
}

import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { describeProblem, parseProfiles } from '../../../src/core/profiles/parse.js';

const folder = 'config/profiles';
const packaged = readdirSync(folder).map((name) => ({ name, text: readFileSync(`${folder}/${name}`, 'utf8') }));
const text = (name: string): string => packaged.find((file) => file.name === name)?.text ?? '';
const with_ = (name: string, edit: (text: string) => string) =>
  packaged.map((file) => (file.name === name ? { name, text: edit(file.text) } : file));
const problems = (files: readonly { name: string; text: string }[]): string[] => {
  const parsed = parseProfiles(files);
  return parsed.ok ? [] : parsed.problems.map(describeProblem);
};

t.test('the profiles of the package', async (t) => {
  const parsed = parseProfiles(packaged);
  t.same(problems(packaged), []);
  if (!parsed.ok) return;
  const { accelerators, engines, connectors, revision } = parsed.profiles;
  t.same(
    accelerators.map(({ name }) => name),
    ['amd', 'ascend-1980', 'ascend-310', 'ascend-npu', 'ascend310p', 'ascend910', 'nvidia'],
  );
  t.same(
    engines.map(({ name }) => name),
    ['sglang', 'vllm', 'vllm-ascend'],
  );
  t.equal(connectors.length, new Set(connectors.map(({ name }) => name)).size);
  t.match(revision, /^[0-9a-f]{12}$/);
  t.ok(
    connectors.every((connector) => connector.engines.length > 0),
    'a connector without an engine could never be used',
  );
});

t.test('the revision is that of the content', async (t) => {
  const revision = (files: typeof packaged) => {
    const parsed = parseProfiles(files);
    return parsed.ok ? parsed.profiles.revision : problems(files).join('\n');
  };
  const first = revision(packaged);
  t.equal(revision([...packaged].reverse()), first, 'whatever the order of files');
  t.equal(revision(with_('engine-vllm.yaml', (content) => `# a remark\n${content}`)), first, 'whatever the comments');
  const joined = [{ name: 'all.yaml', text: packaged.map((file) => file.text).join('\n---\n') }];
  t.equal(revision(joined), first, 'whatever the number of files');
  t.not(
    revision(with_('connector-nixl.yaml', (content) => content.replace('5600', '5601'))),
    first,
    'one value changes it',
  );
});

t.test('a wrong file is named with line and path', async (t) => {
  const edits: readonly (readonly [string, string, (content: string) => string, RegExp])[] = [
    [
      'a condition on an option that the profile has not',
      'accelerator-ascend-1980.yaml',
      (content) => content.replace('options: { node-type: [] }', 'options: { node-kind: [] }'),
      /^accelerator-ascend-1980\.yaml:\d+: nodeSelector\[0\]\.when\.options\.node-kind: the profile has no option "node-kind"; declare it/,
    ],
    [
      'a condition on a value that the option has not',
      'accelerator-ascend910.yaml',
      (content) => content.replace('fault-scheduling: [grace, force]', 'fault-scheduling: [grace, farce]'),
      /^accelerator-ascend910\.yaml:\d+: labels\[4\]\.when\.options\.fault-scheduling: the option has no value "farce"; correct it/,
    ],
    [
      'the value of an option that is no condition',
      'accelerator-ascend-1980.yaml',
      (content) => content.replace("value: '{option:node-type}'", "value: '{option:chip-name}'"),
      /^accelerator-ascend-1980\.yaml:\d+: nodeSelector\[0\]: uses \{option:chip-name\}; add options: \{ chip-name: \[\] \} to its when/,
    ],
    [
      'a misspelt field',
      'connector-nixl.yaml',
      (content) => content.replace('dialect:', 'dialekt:'),
      /^connector-nixl\.yaml:\d+: (dialekt: is not a field of a profile|the field "dialect" is missing)/,
    ],
    [
      'a reason that is missing',
      'accelerator-nvidia.yaml',
      (content) => content.replace(/ {4}because: the interface of the pod network, for tensor parallelism\n/, ''),
      /^accelerator-nvidia\.yaml:17: env\[1\]: the field "because" is missing; add it$/,
    ],
    [
      'a port that is no port',
      'engine-vllm.yaml',
      (content) => content.replace('\nport: 8000', '\nport: 80000'),
      /^engine-vllm\.yaml:\d+: port: must be <= 65535$/,
    ],
    [
      'a regular expression that does not compile',
      'engine-sglang.yaml',
      (content) => content.replace("'(^|/)sglang", "'((^|/)sglang"),
      /^engine-sglang\.yaml:7: recognise\.images\[0\]: must match format "regex"$/,
    ],
    [
      'an unknown kind',
      'connector-nixl.yaml',
      (content) => content.replace('kind: connector', 'kind: conector'),
      /^connector-nixl\.yaml:1: kind: a profile has one of the kinds accelerator, engine, connector, models, network; got "conector"$/,
    ],
    [
      'a list that must not be empty',
      'accelerator-nvidia.yaml',
      (content) => content.replace('resources: [nvidia.com/gpu]', 'resources: []'),
      /^accelerator-nvidia\.yaml:5: resources: must not have fewer than 1 items$/,
    ],
    [
      'a number where a text belongs',
      'connector-nixl.yaml',
      (content) => content.replace('value: "5600"', 'value: 5600'),
      /^connector-nixl\.yaml:\d+: env\[1\]\.value: must be string$/,
    ],
    [
      'a word that is none of the choices',
      'connector-nixl.yaml',
      (content) => content.replace('tensorParallel: decode-at-least-prefill', 'tensorParallel: sometimes'),
      /^connector-nixl\.yaml:\d+: tensorParallel: must be one of any, equal, decode-at-least-prefill, prefill-at-least-decode$/,
    ],
    [
      'a condition that does not exist',
      'connector-nixl.yaml',
      (content) => content.replace('when: { terse: true }', 'when: { tense: true }'),
      /^connector-nixl\.yaml:\d+: env\[2\]\.when\.tense: is not a field of a profile; remove it or correct its name$/,
    ],
    [
      'a condition with a wrong value',
      'connector-sglang-nixl.yaml',
      (content) => content.replace('place: entry', 'place: leader'),
      /^connector-sglang-nixl\.yaml:\d+: ports\[0\]\.when\.place: must be one of entry, worker$/,
    ],
    [
      'a name that Kubernetes would not take in a label',
      'connector-nixl.yaml',
      (content) => content.replace('name: nixl\n', 'name: NIXL\n'),
      /^connector-nixl\.yaml:2: name: must match pattern/,
    ],
    [
      'a port name that Kubernetes would not take',
      'connector-nixl.yaml',
      (content) => content.replace('name: kv-side', 'name: the-side-channel-of-kv'),
      /^connector-nixl\.yaml:\d+: ports\[0\]\.name: must not have more than 15 characters$/,
    ],
    [
      'a count of no devices',
      'accelerator-ascend-1980.yaml',
      (content) => content.replace('allowedCounts: [1,', 'allowedCounts: [0,'),
      /^accelerator-ascend-1980\.yaml:\d+: allowedCounts\[0\]: must be >= 1$/,
    ],
    [
      'a connector that nobody describes',
      'accelerator-nvidia.yaml',
      (content) => content.replace('connectors: [nixl, ', 'connectors: [nixxl, '),
      /^accelerator-nvidia\.yaml:\d+: connectors\[0\]: no connector profile is called "nixxl"; known: /,
    ],
    [
      'a card for a connector that nobody describes',
      'network-rdma.yaml',
      (content) => `${content}give: { resource: rdma/ib, count: 1, connectors: [nixl, nixxl] }\n`,
      /^network-rdma\.yaml:\d+: give\.connectors\[1\]: no connector profile is called "nixxl"; known: /,
    ],
    [
      'a pattern of models that does not compile',
      'models-single-kv-head.yaml',
      (content) => content.replace("'glm-?5'", "'glm-?5('"),
      /^models-single-kv-head\.yaml:\d+: names\[2\]: must match format "regex"$/,
    ],
    [
      'a field that stands twice',
      'connector-nixl.yaml',
      (content) => `${content}\ntitle: again\n`,
      /^connector-nixl\.yaml:\d+: Map keys must be unique/,
    ],
    ['broken YAML', 'connector-nixl.yaml', (content) => `${content}\n  - ]`, /^connector-nixl\.yaml:\d+: .+/],
    [
      'an engine that nobody describes',
      'connector-nixl.yaml',
      (content) => content.replace('engines: [vllm]', 'engines: [vlm]'),
      /^connector-nixl\.yaml:\d+: engines\[0\]: no engine profile is called "vlm"; known: sglang, vllm, vllm-ascend$/,
    ],
    [
      'a name that is taken',
      'connector-nixl-push.yaml',
      (content) => content.replace('name: nixl-push', 'name: nixl'),
      /there is another connector nixl; give one of them a different name$/,
    ],
    [
      'a list instead of an object',
      'connector-nixl.yaml',
      () => '- a\n- b\n',
      /^connector-nixl\.yaml:1: kind: a profile has one of the kinds/,
    ],
    [
      'aliases that would multiply',
      'connector-nixl.yaml',
      (content) => `${content}x: &a [1]\ny: [*a, *a]\n`,
      /^connector-nixl\.yaml:1: Alias resolution is disabled; write the values out/,
    ],
  ];
  for (const [title, name, edit, expected] of edits) {
    t.test(title, async (t) => {
      t.not(edit(text(name)), text(name), 'the edit applies');
      t.match(problems(with_(name, edit))[0] ?? '', expected);
    });
  }
});

t.test('all that is wrong is told at once, and nothing is used in part', async (t) => {
  const broken = with_('connector-nixl.yaml', (content) =>
    content.replace('dialect: nixl-pull', 'dialect: 7\nextra: 1'),
  );
  const parsed = parseProfiles(broken);
  t.notOk(parsed.ok);
  t.equal(problems(broken).length, 2);
});

/** Which profiles a terse serving gets for what it says, and what its roles are when they say odd things. */
import t from 'tap';
import type { ModelServing } from '../../../src/api/types.js';
import { describeExpandProblem } from '../../../src/cli/expand-report.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import type { Profiles } from '../../../src/core/profiles/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { packagedProfiles, servingOf } from './samples.js';

const profiles = packagedProfiles();
const pair = '- name: prefill\n  entryTemplate: {}\n- name: decode\n  entryTemplate: {}\n';
const keys = (said: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(said).map(([key, value]) => [`tandem.dev/${key}`, value])) as Record<
    string,
    string
  >;
const expand = (said: Record<string, unknown>, roles = pair, known: Profiles = profiles) =>
  expandServing(servingOf(roles, keys({ model: 'a/b', ...said })), known, settings);
const chosen = (said: Record<string, unknown>, known = profiles) => {
  const { object, problems } = expand(said, pair, known);
  const [role] = readServing(object, known).roles;
  return problems.length > 0
    ? problems.map(describeExpandProblem)
    : [role?.pod?.devices.profile?.name, role?.pod?.engine.profile.name, role?.pod?.connector?.profile?.name];
};

t.test('what is left out is inferred from what is said', async (t) => {
  const rows: readonly (readonly [Record<string, unknown>, string, string, string])[] = [
    [{}, 'nvidia', 'vllm', 'nixl'],
    [{ engine: 'sglang' }, 'nvidia', 'sglang', 'sglang-mooncake'],
    [{ engine: 'vllm' }, 'nvidia', 'vllm', 'nixl'],
    [{ accelerator: 'amd' }, 'amd', 'vllm', 'nixl'],
    [{ accelerator: 'ascend-1980' }, 'ascend-1980', 'vllm-ascend', 'mooncake-v1'],
    [{ accelerator: 'ascend-1980', connector: 'sglang-ascend' }, 'ascend-1980', 'sglang', 'sglang-ascend'],
    [{ accelerator: 'ascend-1980', engine: 'sglang' }, 'ascend-1980', 'sglang', 'sglang-ascend'],
    [{ connector: 'sglang-nixl' }, 'nvidia', 'sglang', 'sglang-nixl'],
    [{ connector: 'nixl-push' }, 'nvidia', 'vllm', 'nixl-push'],
  ];
  for (const [said, ...wanted] of rows) t.same(chosen(said), wanted, JSON.stringify(said));
});

t.test('what fits nothing, or too much, is told', async (t) => {
  const fitting = /"tandem\.dev\/accelerator"\] is absent, .*with one of /;
  t.match(chosen({ engine: 'vllm-ascend' }), [fitting]);
  t.match(chosen({ connector: 'mooncake-v1' }), [/with one of (?!.*nvidia)/]);
  t.match(chosen({ accelerator: 'amd', connector: 'mooncake-v1' }), [
    /"tandem\.dev\/connector"\] is "mooncake-v1", wanted a connector of vllm; /,
  ]);
  t.match(chosen({ accelerator: 'tpu' }), [/"tandem\.dev\/accelerator"\] is "tpu", wanted the name of a profile/]);
  const homeless: Profiles = {
    ...profiles,
    accelerators: profiles.accelerators.filter(({ engines }) => !engines.includes('vllm-ascend')),
  };
  t.match(chosen({ engine: 'vllm-ascend' }, homeless), [/with one of .*nvidia/], 'where none fits all are named');
});

t.test('the only accelerator that fits needs no word', async (t) => {
  const one: Profiles = {
    ...profiles,
    accelerators: profiles.accelerators.filter(({ name }) => ['nvidia', 'ascend-1980'].includes(name)),
  };
  t.same(chosen({ engine: 'vllm-ascend' }, one), ['ascend-1980', 'vllm-ascend', 'mooncake-v1']);
});

t.test('annotations that are no text are absent', async (t) => {
  t.same(chosen({ engine: 7, accelerator: null, connector: ['nixl'] }), ['nvidia', 'vllm', 'nixl']);
  t.same(expand({ expand: 7 }).problems, []);
});

const argsOf = (serving: ModelServing, index = 0) =>
  readServing(serving, profiles).roles[index]?.pod?.container.args ?? [];
t.test('a model', async (t) => {
  const read = (model: string) => {
    const { object, problems } = expand({ model });
    const engine = readServing(object, profiles).roles[0]?.pod?.engine;
    return problems.length > 0 ? problems.map(({ path }) => path) : [engine?.model, ...(engine?.servedNames ?? [])];
  };
  t.same(read('org/name'), ['/models/name', 'org/name']);
  t.same(read('hf://org/name'), ['/models/name', 'org/name']);
  t.same(read('hf://org/name//'), ['/models/name', 'org/name']);
  t.same(read('s3://bucket/a/name'), ['/models/name', 'bucket/a/name']);
  t.same(read('org/hf://name'), ['/models/name', 'org/hf://name'], 'a scheme stands in front');
  t.same(read('/data/name/'), ['/data/name', '/data/name']);
  for (const wrong of ['', 'a b', 'a;b', ' a', 'a ', '$a', 'a/../b', '..'])
    t.same(read(wrong), ['metadata.annotations["tandem.dev/model"]'], `"${wrong}"`);
});

t.test('roles that are not terse stay as they are', async (t) => {
  const nginx = '- name: web\n  entryTemplate: {spec: {containers: [{name: w, image: nginx}]}}\n';
  const whole =
    '- name: prefill\n  entryTemplate: {spec: {containers: [{name: mine, image: "vllm/vllm-openai:v0.12.0", args: [m]}]}}\n';
  const commanded =
    '- name: prefill\n  entryTemplate: {spec: {containers: [{name: mine, image: "vllm/vllm-openai:v0.12.0", command: [vllm, serve, m]}]}}\n';
  t.same(expand({}, nginx).object.spec, servingOf(nginx).spec);
  for (const roles of [whole, commanded])
    t.notOk(argsOf(expand({}, roles).object).includes('--served-model-name'), roles);
  t.same(
    argsOf(
      expand(
        {},
        `${whole}- name: decode
  entryTemplate: {}
`,
      ).object,
    ),
    ['m'],
    'also beside one that is',
  );
  t.same(expandServing(servingOf(whole), profiles, settings).problems, [], 'no model is needed');
  const bare =
    '- name: prefill\n  entryTemplate: {spec: {containers: [{name: mine, image: "vllm/vllm-openai:v0.12.0"}]}}\n';
  t.same(
    expandServing(servingOf(bare), profiles, settings).problems,
    [],
    'nor by a container that lacks its arguments: the image may have its own',
  );
  t.match(expandServing(servingOf(bare + pair), profiles, settings).problems, [
    { path: 'metadata.annotations["tandem.dev/model"]', saw: undefined },
  ]);
});

t.test('sizes', async (t) => {
  const role = (said: Record<string, string>, more: object = {}) =>
    JSON.stringify([{ name: 'prefill', entryTemplate: { metadata: { annotations: keys(said) } }, ...more }]);
  const devices = (said: Record<string, string>, whole: Record<string, string> = {}) => {
    const { object, problems } = expand(whole, role(said));
    return problems.length > 0
      ? problems.map(({ path, saw }) => [path, saw])
      : readServing(object, profiles).roles[0]?.pod?.devices.count;
  };
  t.equal(devices({}), 1);
  t.equal(devices({ 'tensor-parallel': '4' }), 4);
  t.equal(devices({ 'tensor-parallel': '2', 'data-parallel': '3' }), 6);
  t.equal(devices({ 'tensor-parallel': '2', devices: '5' }), 5, 'the user counts');
  t.equal(devices({}, { 'tensor-parallel': '4' }), 4, 'the serving speaks for roles that are silent');
  t.equal(devices({ 'tensor-parallel': '2' }, { 'tensor-parallel': '4' }), 2);
  t.equal(devices({ 'engine-args': '-tp 3', 'tensor-parallel': '2' }), 3, 'arguments count more');
  t.equal(
    devices({ 'tensor-parallel': '9' }, { accelerator: 'ascend-1980' }),
    16,
    'the next number that the platform grants',
  );
  t.equal(devices({ 'tensor-parallel': '2', 'data-parallel': '2' }, { engine: 'sglang' }), 4);
  t.equal(
    devices(
      { 'tensor-parallel': '4', 'data-parallel': '2', 'engine-args': '--enable-dp-attention' },
      { engine: 'sglang' },
    ),
    4,
    'attention inside the tensor-parallel world',
  );
  for (const size of ['0', '-1', '1.5', '10000', 'x1', '1x', ''])
    t.same(devices({ devices: size }), [
      ['spec.template.roles[0].entryTemplate.metadata.annotations["tandem.dev/devices"]', size],
    ]);
  t.same(devices({}, { devices: 'x' }), [['metadata.annotations["tandem.dev/devices"]', 'x']]);
});

t.test('arguments of the user’s own stand in place of those of the profile', async (t) => {
  const args = (text: string) => argsOf(expand({ 'engine-args': text }).object);
  const plain = args('');
  t.notOk(plain.includes('--seed'));
  t.same(args('--seed 1 -O 3 --enforce-eager').slice(-5), ['--seed', '1', '-O', '3', '--enforce-eager']);
  t.same(args('--a -1 --b').slice(-3), ['--a', '-1', '--b'], 'a negative number is a value');
  t.same(args('--host 1.2.3.4').filter((word) => word === '--host').length, 1);
  t.same(args('--port 9').filter((word) => word === '--port').length, 1);
});

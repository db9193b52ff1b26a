/** What accelerators leave open, and the user or the installation chooses. */
import t from 'tap';
import type { Container, PodSpec } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { describeExpandProblem } from '../../../src/cli/expand-report.js';
import { optionProblem, readOptions } from '../../../src/core/expand/options.js';
import { expandPod } from '../../../src/core/expand/pod.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { type ExpandSettings, defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { packagedProfiles, servingOf } from './samples.js';

const profiles = packagedProfiles();
const config = JSON.stringify({ kv_connector: 'MooncakeConnectorV1', kv_role: 'kv_both' });

interface Given {
  readonly resource?: string;
  readonly spec?: object;
  readonly scheduler?: string;
  readonly annotations?: Record<string, string>;
  readonly container?: object;
  readonly metadata?: object;
}

function serving(options: string | undefined, given: Given = {}): ModelServing {
  const container = {
    name: 'e',
    image: 'quay.io/ascend/vllm-ascend:v0.23.0',
    args: ['m', '--kv-transfer-config', config],
    resources: { limits: { [given.resource ?? 'huawei.com/Ascend910']: 8 } },
    ...given.container,
  };
  const template = { metadata: given.metadata ?? {}, spec: { containers: [container], ...given.spec } };
  const made = servingOf(JSON.stringify([{ name: 'decode', entryTemplate: template }]), {
    ...(options !== undefined && { 'tandem.dev/options': options }),
    ...given.annotations,
  });
  return given.scheduler === undefined ? made : { ...made, spec: { ...made.spec, schedulerName: given.scheduler } };
}

const expanded = (options: string | undefined, given: Given = {}, own: ExpandSettings = settings) =>
  expandServing(serving(options, given), profiles, own);
const templateOf = ({ object }: { object: ModelServing }) => object.spec.template.roles[0]?.entryTemplate;
const engineOf = (result: { object: ModelServing }) => templateOf(result)?.spec?.containers[0] as Container;
const envOf = (result: { object: ModelServing }, name: string) =>
  engineOf(result).env?.find((entry) => entry.name === name);
const selected = (result: { object: ModelServing }) => templateOf(result)?.spec?.nodeSelector;

t.test('a choice of the serving counts more than that of the installation', async (t) => {
  const own = { ...settings, options: new Map([['host-arch', 'huawei-x86']]) };
  t.same(selected(expanded(undefined)), undefined, 'nothing is guessed');
  t.same(selected(expanded(undefined, {}, own)), { 'host-arch': 'huawei-x86' });
  t.same(selected(expanded('host-arch=huawei-arm', {}, own)), { 'host-arch': 'huawei-arm' });
});

t.test('a value that the accelerator does not know was meant for another one', async (t) => {
  const own = { ...settings, options: new Map([['node-type', 'module-910b-8']]) };
  t.same(selected(expanded(undefined, {}, own)), { 'accelerator-type': 'module-910b-8' });
  t.same(selected(expanded(undefined, { resource: 'huawei.com/npu' }, own)), undefined);
});

t.test('an image for the kind of node', async (t) => {
  const terse = (annotations: Record<string, string>, spec: object = {}, own: ExpandSettings = settings) => {
    const roles = [{ name: 'decode', entryTemplate: { spec } }];
    const said = { model: 'org/model', accelerator: 'ascend910', ...annotations };
    const asked = Object.fromEntries(Object.entries(said).map(([key, value]) => [`tandem.dev/${key}`, value]));
    return engineOf(expandServing(servingOf(JSON.stringify(roles), asked), profiles, own)).image;
  };
  const a3 = 'quay.io/ascend/vllm-ascend:v0.23.0-a3';
  const own = { ...settings, options: new Map([['node-type', 'module-a3-16']]) };
  t.match(terse({}), 'kthena-engine');
  t.equal(terse({ options: 'node-type=module-a3-16' }), a3);
  t.equal(
    terse({ options: 'node-type=module-a3-16-super-pod', connector: 'mooncake-hybrid' }),
    a3,
    'also of a connector',
  );
  t.equal(terse({}, {}, own), a3);
  t.match(terse({ options: 'node-type=module-910b-8' }, {}, own), 'kthena-engine', 'the serving counts more');
  t.equal(terse({}, { nodeSelector: { 'accelerator-type': 'module-a3-16' } }), a3);
  const selected = { nodeSelector: { 'accelerator-type': 'module-910b-8' } };
  t.match(terse({ options: 'node-type=module-a3-16' }, selected), 'kthena-engine', 'what is selected counts more');
  t.equal(
    terse({}, {}, { ...own, images: { 'vllm-ascend': 'own/image' } }),
    'own/image',
    'an installation’s image most',
  );
  t.match(terse({ accelerator: 'ascend-1980' }, {}, own), 'kthena-engine', 'another platform');
});

t.test('what the user wrote stands, also where an option says otherwise', async (t) => {
  const spec = { nodeSelector: { 'accelerator-type': 'module' } };
  const metadata = { labels: { 'fault-scheduling': 'off' }, annotations: { 'sp-block': '64' } };
  const result = expanded('node-type=half,fault-scheduling=grace,super-pod-block=32', { spec, metadata });
  t.same(selected(result), { 'accelerator-type': 'module' });
  t.match(templateOf(result)?.metadata, {
    labels: { 'fault-scheduling': 'off', 'ring-controller.atlas': 'ascend-910' },
    annotations: { 'sp-block': '64' },
  });
  t.same(expandServing(result.object, profiles, settings).patch, []);
});

t.test('a rank table', async (t) => {
  const mountOf = (result: { object: ModelServing }) =>
    engineOf(result).volumeMounts?.filter(({ mountPath }) => mountPath === '/user/serverid/devindex/config');
  t.test('is in no pod by itself', async (t) => {
    const result = expanded(undefined);
    t.same(mountOf(result), []);
    t.equal(envOf(result, 'RANK_TABLE_FILE'), undefined);
  });
  t.test('is mounted once, whichever way it is asked for', async (t) => {
    const both = expanded('rank-table=llm,rank-table-folder=default.llm');
    t.equal(mountOf(both)?.length, 1);
    t.equal(
      both.object.spec.template.roles[0]?.entryTemplate?.spec?.volumes?.filter(
        ({ name }) => name === 'ascend-rank-table',
      ).length,
      1,
    );
    t.same(envOf(both, 'RANK_TABLE_FILE'), {
      name: 'RANK_TABLE_FILE',
      value: '/user/serverid/devindex/config/hccl.json',
    });
  });
  t.test('is not mounted over one of the user', async (t) => {
    const container = { volumeMounts: [{ name: 'own', mountPath: '/user/serverid/devindex/config/' }] };
    t.same(
      engineOf(expanded('rank-table=llm', { container })).volumeMounts?.filter(
        ({ name }) => name === 'ascend-rank-table',
      ),
      [],
    );
  });
});

t.test('the list of devices comes from an annotation', async (t) => {
  const fieldOf = (options: string | undefined, given: Given = {}, own: ExpandSettings = settings) =>
    envOf(expanded(options, given, own), 'ASCEND_VISIBLE_DEVICES')?.valueFrom?.fieldRef?.fieldPath;
  const noVolcano = { ...settings, schedulerNames: { volcano: 'default-scheduler' } };
  for (const resource of ['huawei.com/Ascend910', 'huawei.com/Ascend310P', 'huawei.com/npu']) {
    t.equal(fieldOf('whole-card', { resource }), `metadata.annotations['${resource}']`, 'that of the resource');
  }
  t.equal(fieldOf('whole-card=on', { scheduler: 'volcano' }), "metadata.annotations['huawei.com/Ascend910']");
  t.equal(fieldOf(undefined, { scheduler: 'volcano' }), undefined, 'only where it is asked for');
  t.equal(fieldOf('whole-card', { scheduler: 'default-scheduler' }), undefined, 'never with another scheduler');
  t.equal(fieldOf('whole-card', {}, noVolcano), undefined, 'nor where another one stands in for Volcano');
  t.equal(fieldOf('whole-card', { spec: { schedulerName: 'x' } }), undefined, 'nor where the template names one');
  t.equal(fieldOf('whole-card', {}, { ...settings, runtimeMounts: false }), undefined, 'nor without the runtime');
  t.equal(fieldOf('whole-card', { resource: 'huawei.com/Ascend910B4' }), undefined, 'nor with the names of HAMi');
  t.equal(fieldOf('whole-card', { resource: 'huawei.com/ascend-1980' }), undefined, 'nor on CCE');
});

t.test('reach pods in mode pods', async (t) => {
  const whole = serving('node-type=module,super-pod-block=32', { annotations: { 'tandem.dev/expand': 'pods' } });
  const metadata = { labels: { 'modelserving.volcano.sh/role': 'decode' } };
  const spec = structuredClone(whole.spec.template.roles[0]?.entryTemplate?.spec) as PodSpec;
  const { object } = expandPod({ metadata, spec }, { profiles, settings, serving: whole });
  t.match(object, {
    metadata: { labels: { 'ring-controller.atlas': 'ascend-910' }, annotations: { 'sp-block': '32' } },
    spec: { nodeSelector: { 'accelerator-type': 'module' } },
  });
});

t.test('what cannot be read or is not known is told', async (t) => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['node-typ=module', /wanted options of an accelerator profile; use .*node-type, .* instead of "node-typ"/],
    [
      'fault-scheduling=maybe',
      /wanted fault-scheduling=VALUE with one of grace, force, off; use another value than "maybe"/,
    ],
    [
      'rank-table-folder=../../etc',
      /wanted NAME=VALUE, separated by commas, .*; correct "rank-table-folder=..\/..\/etc"/,
    ],
    ['host-arch=huawei-arm,=', /correct "="/],
    ['gang-size=two', /wanted gang-size=VALUE with a value that matches \^\[1-9\]/],
    ['fault-retry-times=101', /fault-retry-times=VALUE/],
    ['__proto__=on', /correct "__proto__=on"/],
  ];
  for (const [text, says] of wrong) {
    const { problems } = expanded(text);
    t.equal(problems.length, 1, text);
    t.match(problems.map(describeExpandProblem).join(), says);
    t.match(problems[0], { path: 'metadata.annotations["tandem.dev/options"]', saw: text });
  }
  t.same(expanded(' host-arch=huawei-arm , whole-card,').problems, []);
  t.same(expanded('node-type=anything').problems, [], 'some accelerator takes any value');
  t.same(expanded('').problems, []);
  t.same(expanded('gang-size=2,fault-retry-times=100,super-pod-block=32').problems, []);
  t.equal(optionProblem('host-arch=huawei-arm', profiles), undefined);
});

t.test('are read as they are written', async (t) => {
  t.equal(readOptions(undefined), undefined);
  t.same(
    [...(readOptions(' a=1 ,b,, c=x.y-z_1') ?? [])],
    [
      ['a', '1'],
      ['b', 'on'],
      ['c', 'x.y-z_1'],
    ],
  );
  t.same([...(readOptions('a=1,a=2') ?? [])], [['a', '2']], 'the last one counts');
  t.same([...(readOptions('A=1,a=/x,a=-1,a=1-,a=') ?? [])], [], 'what is no name or value is left out');
  t.equal(readOptions(`a=${'x'.repeat(63)}`)?.get('a')?.length, 63);
  t.equal(readOptions(`a=${'x'.repeat(64)}`)?.size, 0, 'no label is longer');
});

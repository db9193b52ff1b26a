import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { stringify } from 'yaml';
import type { Container } from '../../../src/api/kube.js';
import type { ModelServing, PodTemplate } from '../../../src/api/types.js';
import { describeExpandProblem } from '../../../src/cli/expand-report.js';
import { expandPod } from '../../../src/core/expand/pod.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { packagedProfiles, servingOf } from './samples.js';

const profiles = packagedProfiles();

/** What a role says in the terse form; `pods` counts the entry and its workers. */
interface Said {
  readonly tp?: number;
  readonly dp?: number;
  readonly pods?: number;
  readonly args?: string;
  readonly spec?: object;
}

interface Recipe {
  readonly source: string;
  readonly title: string;
  readonly accelerator: string;
  readonly engine: string;
  readonly connector: string;
  readonly prefill?: Said;
  readonly decode?: Said;
}

const nothing: Said = {};

/** Every file `test/fixtures/expand/recipes/NAME.yaml` was read line by line against the section that its recipe names. */
const recipes: Readonly<Record<string, Recipe>> = {
  'vllm-nixl-pipeline-of-pods': {
    source: 'B.2, C-37',
    title: 'one replica over two pods: ranks from WORKER_INDEX, the meeting point at the entry',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 8, pods: 2, args: '--pipeline-parallel-size 2' },
    decode: { tp: 8, pods: 2, args: '--pipeline-parallel-size 2' },
  },
  'vllm-nixl-data-parallel-pods': {
    source: 'B.2, C-37, C-38',
    title: 'data parallel over pods: the entry balances, headless workers continue its ranks',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 1, dp: 2, pods: 2 },
    decode: { tp: 2, dp: 12, pods: 3 },
  },
  'vllm-ascend-data-parallel-pods': {
    source: 'B.4, C-37',
    title: 'global sizes in the connector, local ranks in each pod, 16 NPUs a node',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 8, dp: 2 },
    decode: { tp: 2, dp: 16, pods: 2 },
  },
  'vllm-nixl-host-network': {
    source: 'B.9, C-27',
    title: 'on the host network every port of a range is declared, and each role has a block of its own',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 2, spec: { hostNetwork: true } },
    decode: { tp: 2, dp: 4, args: '--port 8100', spec: { hostNetwork: true } },
  },
  'vllm-ascend-host-network': {
    source: 'B.4, B.9, C-26, C-27',
    title: 'kv_port blocks of two roles that may share a node do not overlap, nor meet the random range',
    ...{ accelerator: 'ascend910', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 4, spec: { hostNetwork: true } },
    decode: { tp: 2, dp: 2, args: '--port 8100', spec: { hostNetwork: true } },
  },
  'vllm-external-balance': {
    source: 'A.1.4, B.9, C-36',
    title: 'ranks balanced from outside: a port and a probe for each',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 1, dp: 2, args: '--data-parallel-external-lb --data-parallel-size-local 2' },
    decode: { tp: 1, dp: 4, args: '--data-parallel-external-lb --data-parallel-size-local 4' },
  },
  'sglang-pods': {
    source: 'B.7',
    title: 'SGLang over pods: attention ranks inside the tensor-parallel world',
    ...{ accelerator: 'nvidia', engine: 'sglang', connector: 'sglang-mooncake' },
    prefill: { tp: 16, pods: 2 },
    decode: { tp: 16, dp: 16, pods: 2 },
  },
};

t.test('recipes', async (t) => {
  for (const [name, recipe] of Object.entries(recipes)) {
    t.test(`${recipe.source}: ${recipe.title}`, async (t) => {
      const { object, problems } = expandServing(write(recipe), profiles, settings);
      t.same(problems.map(describeExpandProblem), []);
      t.same(
        readServing(object, profiles).roles.map(({ pod }) => pod?.connector?.profile?.name),
        [recipe.connector, recipe.connector],
        'what was written reads back as asked',
      );
      const again = expandServing(object, profiles, settings);
      t.same(again.patch, [], 'complete');
      const file = `test/fixtures/expand/recipes/${name}.yaml`;
      const seen = stringify(summary(object), { lineWidth: 0 });
      if (process.env['GOLDEN'] === 'write') writeFileSync(file, seen);
      t.equal(existsSync(file) ? readFileSync(file, 'utf8') : '', seen, `${file} (GOLDEN=write, then review)`);
    });
  }
});

function write(recipe: Recipe): ModelServing {
  const role = (name: 'prefill' | 'decode') => {
    const { tp, dp, pods = 1, args, spec } = recipe[name] ?? nothing;
    const sizes = { 'tensor-parallel': tp, 'data-parallel': dp, 'engine-args': args };
    const said = Object.entries(sizes).filter(([, value]) => value !== undefined);
    const annotations = Object.fromEntries(said.map(([key, value]) => [`tandem.dev/${key}`, String(value)]));
    return { name, workerReplicas: pods - 1, entryTemplate: { metadata: { annotations }, ...(spec && { spec }) } };
  };
  const { accelerator, engine, connector } = recipe;
  const annotations = { model: 'org/model', accelerator, engine, connector };
  return servingOf(
    JSON.stringify([role('prefill'), role('decode')]),
    Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`tandem.dev/${key}`, value])),
  );
}

/** What makes the recipe: the engine container in few lines, per template. */
function summary(serving: ModelServing): object {
  return Object.fromEntries(
    readServing(serving, profiles).roles.flatMap(({ name, pod, worker, template, workerTemplate }) => [
      [name, templateFacts(template, pod?.container)],
      ...(worker ? [[`${name} workers`, templateFacts(workerTemplate, worker.container)] as const] : []),
    ]),
  );
}

function templateFacts(template: PodTemplate | undefined, container: Container | undefined): object {
  const volumes = new Map(template?.spec?.volumes?.map((volume) => [volume.name, volume]));
  const mounted = (name: string) => {
    const { hostPath, emptyDir } = volumes.get(name) ?? {};
    return hostPath?.path ?? (emptyDir?.medium === 'Memory' ? `memory ${emptyDir.sizeLimit}` : 'emptyDir');
  };
  return {
    image: container?.image,
    command: container?.command?.join(' '),
    args: lines(container?.args ?? []),
    env: container?.env?.map(
      ({ name, value, valueFrom }) => `${name}=${value ?? `<${valueFrom?.fieldRef?.fieldPath}>`}`,
    ),
    limits: container?.resources?.limits,
    ports: container?.ports?.map(({ name, containerPort, hostPort }) =>
      [name ?? '-', containerPort, ...(hostPort ? ['on the host'] : [])].join(' '),
    ),
    mounts: container?.volumeMounts?.map(({ name, mountPath }) => `${mountPath} <- ${mounted(name)}`),
    capabilities: container?.securityContext?.capabilities?.add,
    labels: template?.metadata?.labels,
    probes: (['startupProbe', 'readinessProbe', 'livenessProbe'] as const).flatMap((probe) => {
      const { httpGet, exec } = container?.[probe] ?? {};
      if (exec) return [`${probe} ${exec.command?.slice(3).join(' ')}`];
      return httpGet ? [`${probe} ${httpGet.path}:${httpGet.port}`] : [];
    }),
  };
}

/** A flag and its value in one line. */
function lines(words: readonly string[]): readonly string[] {
  const all: string[] = [];
  for (const word of words) {
    const last = all.at(-1) ?? '';
    const isValue = last.startsWith('--') && !last.includes(' ') && !word.startsWith('--');
    if (isValue) all[all.length - 1] = `${last} ${word}`;
    else all.push(word);
  }
  return all;
}

t.test('roles of several pods', async (t) => {
  const terse = (pods: number, annotations: Record<string, string>) => {
    const role = { name: 'decode', workerReplicas: pods - 1, entryTemplate: {} };
    const said = Object.entries({ model: 'a/b', accelerator: 'nvidia', ...annotations });
    const serving = servingOf(JSON.stringify([role]), Object.fromEntries(said.map(([k, v]) => [`tandem.dev/${k}`, v])));
    return expandServing(serving, profiles, settings);
  };
  t.test('share their ranks evenly, or nothing is written', async (t) => {
    t.match(terse(3, { 'tensor-parallel': '16' }).problems.map(describeExpandProblem), [
      /^not expanded: spec.template.roles\[0\].workerReplicas is 2, wanted a number of pods that divides 16 ranks .*; change workerReplicas/,
    ]);
    t.match(terse(2, { 'tensor-parallel': '2', 'data-parallel': '3' }).problems[0]?.want, /divides 3 data-parallel/);
    t.same(terse(4, { 'tensor-parallel': '4', 'data-parallel': '4' }).problems, []);
  });
  t.test('start ranks that Kubernetes cannot compute are computed by a shell, and read back', async (t) => {
    const { object } = terse(3, { 'data-parallel': '6' });
    const [role] = readServing(object, profiles).roles;
    t.same(role?.worker?.container.command?.slice(0, 3), [
      'sh',
      '-c',
      'exec "$0" "$@" --data-parallel-start-rank $((WORKER_INDEX * 2))',
    ]);
    t.match(role?.worker?.engine, { dataParallel: 6, ranksPerPod: 2, reading: 'shell' });
    t.equal(role?.worker?.servesHttp, false);
    t.equal(role?.worker?.devices.count, 2);
  });
  t.test('written by hand: workers get what the entry gets, but for probes', async (t) => {
    const args = (more: string[]) => [
      'serve',
      'm',
      '-tp',
      '8',
      '--nnodes',
      '2',
      '--node-rank',
      '$(WORKER_INDEX)',
      ...more,
    ];
    const pod = (more: string[]) => ({
      spec: {
        containers: [
          {
            name: 'e',
            image: 'vllm/vllm-openai:v0.12.0',
            command: ['vllm'],
            args: args(more),
            resources: { limits: { 'nvidia.com/gpu': 4 } },
          },
        ],
      },
    });
    const role = { name: 'r', workerReplicas: 1, entryTemplate: pod([]), workerTemplate: pod(['--headless']) };
    const [read] = readServing(
      expandServing(servingOf(JSON.stringify([role])), profiles, settings).object,
      profiles,
    ).roles;
    for (const one of [read?.pod, read?.worker]) {
      t.match(one?.container.resources, { requests: { 'nvidia.com/gpu': 4 } });
      t.match(one?.container.volumeMounts, [{ mountPath: '/dev/shm' }]);
      t.ok(one?.container.env?.some(({ name }) => name === 'VLLM_HOST_IP'));
      t.equal(one?.engine.ranksPerPod, 4);
    }
    t.same([read?.pod?.container.startupProbe !== undefined, read?.worker?.container.startupProbe], [true, undefined]);
    t.same(read?.worker?.container.ports, undefined);
  });
  t.test('a Ray worker starts no engine of its own, and gets devices and mounts only', async (t) => {
    const ray = {
      spec: {
        containers: [
          {
            name: 'w',
            image: 'vllm/vllm-openai:v0.12.0',
            command: ['sh', '-c', 'ray start --block --address=$(ENTRY_ADDRESS):6379'],
            resources: { limits: { 'nvidia.com/gpu': 4 } },
          },
        ],
      },
    };
    const role = { name: 'r', workerReplicas: 1, entryTemplate: ray, workerTemplate: ray };
    const { object } = expandServing(servingOf(JSON.stringify([role])), profiles, settings);
    const worker = object.spec.template.roles[0]?.workerTemplate?.spec?.containers[0];
    t.same(worker?.command, ray.spec.containers[0]?.command);
    t.same([worker?.startupProbe, worker?.ports], [undefined, undefined]);
    t.match(worker?.volumeMounts, [{ mountPath: '/dev/shm' }]);
  });
  t.test('workers that answer requests themselves are probed', async (t) => {
    const template = (args: string[]) => ({
      spec: { containers: [{ name: 'e', image: 'vllm/vllm-openai:v0.12.0', command: ['vllm', 'serve', 'm'], args }] },
    });
    const args = ['-dp', '2', '--data-parallel-rank', '$(WORKER_INDEX)', '--data-parallel-address', '$(ENTRY_ADDRESS)'];
    const role = { name: 'r', workerReplicas: 1, entryTemplate: template(args), workerTemplate: template(args) };
    const { object } = expandServing(servingOf(JSON.stringify([role])), profiles, settings);
    const [read] = readServing(object, profiles).roles;
    t.equal(read?.worker?.servesHttp, true);
    t.ok(read?.worker?.container.readinessProbe);
  });
});

t.test('the host network', async (t) => {
  const role = (name: string, more: object = {}) => ({
    name,
    entryTemplate: {
      spec: { hostNetwork: true, containers: [{ name: 'e', image: 'vllm/vllm-openai:v0.11.2', ...more }] },
    },
  });
  const nixl = ['m', '--kv-transfer-config', '{"kv_connector":"NixlConnector","kv_role":"kv_both"}'];
  const portsOf = (serving: ModelServing) =>
    readServing(expandServing(serving, profiles, settings).object, profiles).roles.map(({ pod }) =>
      (pod?.container.ports ?? []).map(({ containerPort }) => containerPort),
    );
  t.test('roles with different API ports may share a node, whatever else they open', async (t) => {
    const names = ['prefill', 'decode', 'prefill-b', 'decode-b'];
    const roles = names.map((name, index) =>
      role(name, { args: [...nixl, '-dp', '8', '--port', String(8000 + index)] }),
    );
    const all = portsOf(servingOf(JSON.stringify(roles)));
    t.same(
      all.map(({ length }) => length),
      [9, 9, 9, 9],
    );
    t.equal(new Set(all.flat()).size, 36, 'no two overlap');
  });
  t.test('a port that the user chose stands, and is declared as chosen', async (t) => {
    const env = [{ name: 'VLLM_NIXL_SIDE_CHANNEL_PORT', value: '7000' }];
    t.same(portsOf(servingOf(JSON.stringify([role('decode', { args: nixl, env })]))), [[8000, 7000]]);
  });
  t.test('a command that cannot be read is told to whoever creates the pod', async (t) => {
    const { entryTemplate } = role('decode', {
      command: ['/start.sh'],
      resources: { limits: { 'nvidia.com/gpu': 1 } },
    });
    const { warnings } = expandPod({ metadata: {}, spec: entryTemplate.spec }, { profiles, settings });
    t.match(warnings, [/^spec\.containers\[0\]: the pod uses the host network .*; declare containerPorts, or add/]);
  });
});

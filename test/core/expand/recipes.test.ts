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
  /** The connector that the result reads as, where it is not the one that was asked for. */
  readonly reads?: string;
}

const nothing: Said = {};

/** Every file `test/fixtures/expand/recipes/NAME.yaml` was read line by line against the section that its recipe names. */
const recipes: Readonly<Record<string, Recipe>> = {
  'vllm-nixl': {
    source: 'B.0, B.2',
    title: 'NIXL on NVIDIA: the pod address on the side channel, larger decode',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 1 },
    decode: { tp: 2 },
  },
  'vllm-nixl-amd': {
    source: 'B.1, B.2',
    title: 'the same on AMD',
    ...{ accelerator: 'amd', engine: 'vllm', connector: 'nixl' },
  },
  'vllm-nixl-push': {
    source: 'A.1.7, B.2',
    title: 'NIXL push: the router knows the engine id beforehand',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl-push' },
  },
  'vllm-mooncake': {
    source: 'A.2, B.3',
    title: 'upstream Mooncake: bootstrap port on both, declared on prefill',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'mooncake' },
  },
  'vllm-ascend-mooncake-v1-mindcluster': {
    source: 'B.1.2, B.1.4, B.4',
    title: 'MooncakeConnectorV1 with MindCluster, larger prefill',
    ...{ accelerator: 'ascend910', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 8, dp: 2 },
    decode: { tp: 2, dp: 8 },
  },
  'vllm-ascend-mooncake-v1-cce': {
    source: 'B.1, B.1.4, B.4',
    title: 'MooncakeConnectorV1 on CCE',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-mooncake-hybrid': {
    source: 'A.3, B.4',
    title: 'MooncakeHybridConnector',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'mooncake-hybrid' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-mooncake-layerwise': {
    source: 'A.4, B.4',
    title: 'MooncakeLayerwiseConnector',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'mooncake-layerwise' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-310p': {
    source: 'B.1, B.1.1, B.1.2',
    title: 'inference cards: the label, no NPU network files',
    ...{ accelerator: 'ascend310p', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-store': {
    source: 'A.5, B.5',
    title: 'AscendStore alone: no side, two plain calls',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'ascend-store' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-mooncake-v1-store': {
    source: 'A.5, A.7, B.5',
    title: 'MultiConnector: the first peer-to-peer connector counts',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'mooncake-v1-store' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
    reads: 'mooncake-v1',
  },
  'vllm-lmcache-pd': {
    source: 'A.6, B.6',
    title: 'LMCache sends from prefill to decode',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'lmcache-pd' },
  },
  'vllm-lmcache': {
    source: 'A.6, B.6',
    title: 'LMCache with a shared store',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'lmcache' },
  },
  'vllm-p2p-nccl': {
    source: 'A.7, B.8',
    title: 'P2P-NCCL: a port for each rank',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'p2p-nccl' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-moriio': {
    source: 'A.1.8, B.9',
    title: 'MoRI-IO on AMD',
    ...{ accelerator: 'amd', engine: 'vllm', connector: 'moriio' },
  },
  'vllm-shared-storage': {
    source: 'A.7',
    title: 'a shared file system, never created by a node',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'shared-storage' },
  },
  'vllm-offloading': {
    source: 'A.7',
    title: 'offloading with a peer-to-peer tier at the pod address',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'offloading' },
  },
  'sglang-mooncake': {
    source: 'A.8, B.7',
    title: 'SGLang over Mooncake',
    ...{ accelerator: 'nvidia', engine: 'sglang', connector: 'sglang-mooncake' },
  },
  'sglang-nixl': {
    source: 'A.8, B.7',
    title: 'SGLang over NIXL',
    ...{ accelerator: 'nvidia', engine: 'sglang', connector: 'sglang-nixl' },
  },
  'sglang-ascend': {
    source: 'A.8, B.7',
    title: 'SGLang on NPUs',
    ...{ accelerator: 'ascend-1980', engine: 'sglang', connector: 'sglang-ascend' },
    prefill: { tp: 4 },
    decode: { tp: 4 },
  },
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
        [recipe.reads ?? recipe.connector, recipe.reads ?? recipe.connector],
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

t.test('a hand-written role that lacks only its connector', async (t) => {
  const role = (name: string, container: object) => ({
    name,
    entryTemplate: { spec: { containers: [{ name: 'e', image: 'vllm/vllm-openai:v0.12.0', ...container }] } },
  });
  const expanded = (connector: string, ...roles: object[]) =>
    expandServing(servingOf(JSON.stringify(roles), { 'tandem.dev/connector': connector }), profiles, settings);
  t.test('gets it at the end of its argument list, with what belongs to it', async (t) => {
    const { object, problems } = expanded(
      'nixl',
      role('prefill', { args: ['m', '-tp', '2'] }),
      role('decode', { command: ['vllm', 'serve', 'm'] }),
    );
    t.same(problems, []);
    const [prefill, decode] = readServing(object, profiles).roles;
    t.same(prefill?.pod?.container.args, [
      'm',
      '-tp',
      '2',
      '--kv-transfer-config',
      '{"kv_connector":"NixlConnector","kv_role":"kv_producer"}',
    ]);
    t.same(decode?.pod?.container.args?.[0], '--kv-transfer-config');
    t.match(decode?.pod, { connector: { role: 'kv_consumer' }, engine: { model: 'm' } });
    t.ok(decode?.pod?.env.has('VLLM_NIXL_SIDE_CHANNEL_HOST'));
    t.same(expandServing(object, profiles, settings).patch, []);
  });
  t.test('gets the sizes that both sides have', async (t) => {
    const npu = (args: string[]) => ({
      image: 'quay.io/ascend/vllm-ascend:v0.13.0',
      args,
      resources: { limits: { 'huawei.com/Ascend910': 8 } },
    });
    const { object } = expanded(
      'mooncake-v1',
      role('prefill', npu(['m', '-tp', '8'])),
      role('decode', npu(['m', '-tp', '2', '-dp', '4'])),
    );
    for (const { pod } of readServing(object, profiles).roles)
      t.same(pod?.connector?.config?.['kv_connector_extra_config'], {
        prefill: { dp_size: 1, tp_size: 8 },
        decode: { dp_size: 4, tp_size: 2 },
      });
  });
  t.test('also of SGLang, as flags', async (t) => {
    const sglang = {
      image: 'lmsysorg/sglang:v0.5.5',
      command: ['python3', '-m', 'sglang.launch_server'],
      args: ['--model-path', 'm'],
    };
    const { object } = expanded('sglang-nixl', role('prefill', sglang), role('decode', sglang));
    t.same(
      readServing(object, profiles).roles.map(({ pod }) => [pod?.connector?.profile?.name, pod?.side]),
      [
        ['sglang-nixl', 'prefill'],
        ['sglang-nixl', 'decode'],
      ],
    );
  });
  t.test('keeps the one that it has', async (t) => {
    const own = ['m', '--kv-transfer-config', '{"kv_connector":"MooncakeConnector","kv_role":"kv_producer"}'];
    const { object } = expanded('nixl', role('prefill', { args: own }));
    t.same(readServing(object, profiles).roles[0]?.pod?.container.args, own);
  });
  t.test('stays alone when it serves alone', async (t) => {
    t.equal(
      readServing(expanded('nixl', role('chat', { args: ['m'] })).object, profiles).roles[0]?.pod?.connector,
      undefined,
    );
  });
  const wrong: readonly (readonly [string, string, object, RegExp])[] = [
    [
      'a shell script is not edited',
      'nixl',
      { command: ['sh', '-c', 'vllm serve m'] },
      /^not expanded: spec\.template\.roles\[0\]\.entryTemplate\.spec\.containers\[0\]\.args is "a shell script without --kv-transfer-config".*; write/,
    ],
    [
      'a connector of another engine',
      'sglang-nixl',
      { args: ['m'] },
      /"tandem.dev\/connector"\] is "sglang-nixl", wanted a connector of vllm/,
    ],
    [
      'a connector that nobody knows',
      'nixxl',
      { args: ['m'] },
      /"tandem.dev\/connector"\] is "nixxl", wanted the name of a profile/,
    ],
  ];
  for (const [title, connector, container, expected] of wrong) {
    t.test(`${title}, and the user is told`, async (t) => {
      t.match(expanded(connector, role('prefill', container)).problems.map(describeExpandProblem), [expected]);
    });
  }
  t.test('a command that cannot be read is left as it is', async (t) => {
    const hidden = { command: ['/start.sh'], resources: { limits: { 'nvidia.com/gpu': 1 } } };
    t.same(expanded('nixl', role('prefill', hidden)).problems, []);
  });
});

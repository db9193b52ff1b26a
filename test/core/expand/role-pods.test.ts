import t from 'tap';
import type { ModelServing } from '../../../src/api/types.js';
import { describeExpandProblem } from '../../../src/cli/expand-report.js';
import { expandPod } from '../../../src/core/expand/pod.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { packagedProfiles, servingOf } from './samples.js';

const profiles = packagedProfiles();

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

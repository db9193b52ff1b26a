/** A container with little more than a name and an image gets arguments for what it is, and keeps what it asks for. */
import t from 'tap';
import { readServing } from '../../../src/core/reading/serving.js';
import { expand, profiles } from './packaged.js';
import { servingOf } from './samples.js';

const vllm = 'vllm/vllm-openai:v0.11.2';
const vllmAscend = 'quay.io/ascend/vllm-ascend:v0.11.0';
const sglang = 'lmsysorg/sglang:v0.5.5';

function filled(
  container: object,
  said: Record<string, string> = {},
  roles: readonly string[] = ['prefill', 'decode'],
) {
  const annotations = Object.fromEntries(Object.entries(said).map(([key, value]) => [`tandem.dev/${key}`, value]));
  const written = roles.map((name) => ({
    name,
    entryTemplate: { spec: { containers: [{ name: 'mine', ...container }] } },
  }));
  const { object, problems } = expand(
    servingOf(JSON.stringify(written), { 'tandem.dev/model': 'org/name', ...annotations }),
  );
  const [role] = readServing(object, profiles).roles;
  return { problems, pod: role?.pod, container: role?.pod?.container, again: expand(object).patch };
}

t.test('what the container is, where the annotations are silent', async (t) => {
  const rows: readonly (readonly [string, object, object])[] = [
    [
      'vLLM',
      { image: vllm },
      { engine: 'vllm', devices: 'nvidia.com/gpu', connector: 'nixl', flag: '--kv-transfer-config' },
    ],
    [
      'SGLang',
      { image: sglang },
      { engine: 'sglang', devices: 'nvidia.com/gpu', connector: 'sglang-mooncake', flag: '--disaggregation-mode' },
    ],
    [
      'vllm-ascend on what its devices are',
      { image: vllmAscend, resources: { limits: { 'huawei.com/Ascend910': '8' } } },
      {
        engine: 'vllm-ascend',
        devices: 'huawei.com/Ascend910',
        connector: 'mooncake-v1',
        flag: '--kv-transfer-config',
      },
    ],
    [
      'SGLang on NPUs',
      { image: sglang, resources: { limits: { 'huawei.com/Ascend910': '8' } } },
      { engine: 'sglang', devices: 'huawei.com/Ascend910', connector: 'sglang-ascend', flag: '--disaggregation-mode' },
    ],
    [
      'vLLM on AMD',
      { image: 'rocm/vllm:v0.11', resources: { limits: { 'amd.com/gpu': 1 } } },
      { engine: 'vllm', devices: 'amd.com/gpu', connector: 'nixl', flag: '--kv-transfer-config' },
    ],
  ];
  for (const [title, given, expected] of rows) {
    const { problems, pod, container, again } = filled(given);
    t.same(problems, [], title);
    t.same(
      {
        engine: pod?.engine.profile.name,
        devices: Object.keys(container?.resources?.limits ?? {})
          .filter((name) => name.includes('/'))
          .join(),
        connector: pod?.connector?.profile?.name,
        flag: container?.args?.find((word) => /^--(kv-transfer-config|disaggregation-mode)$/.test(word)),
      },
      expected,
      title,
    );
    t.same(again, [], `${title}: and no more when it is applied again`);
  }
});

t.test('annotations that say otherwise than the container are a problem, and it stays as it is', async (t) => {
  const npus = { resources: { limits: { 'huawei.com/Ascend910': '8' } } };
  const rows: readonly (readonly [string, object, Record<string, string>, object])[] = [
    [
      'another engine',
      { image: sglang },
      { engine: 'vllm' },
      { path: 'metadata.annotations["tandem.dev/engine"]', saw: 'vllm', want: /^sglang, which the image lmsysorg/ },
    ],
    [
      'another accelerator',
      { image: vllmAscend, ...npus },
      { accelerator: 'nvidia' },
      {
        path: 'metadata.annotations["tandem.dev/accelerator"]',
        saw: 'nvidia',
        want: /^ascend910, whose huawei.com\/Ascend910 the container asks for/,
      },
    ],
    [
      'an engine that does not run there',
      { image: vllm },
      { accelerator: 'ascend910' },
      { path: 'metadata.annotations["tandem.dev/engine"]', saw: 'vllm', want: /runs on ascend910/ },
    ],
    [
      'an accelerator that only the annotations can tell',
      { image: vllmAscend },
      {},
      { path: 'metadata.annotations["tandem.dev/accelerator"]', saw: undefined },
    ],
  ];
  for (const [title, given, said, problem] of rows) {
    const { problems, container } = filled(given, said);
    t.equal(problems.length, 1, `${title}: once for all roles`);
    t.match(problems[0], problem, title);
    t.equal(container?.args, undefined, title);
  }
});

t.test('what the container asks for stands, and requests follow limits', async (t) => {
  const gpu = 'nvidia.com/gpu';
  const mig = 'nvidia.com/mig-1g.10gb';
  const npu = 'huawei.com/Ascend910';
  const rows: readonly (readonly [string, object, object, Record<string, string>])[] = [
    ['nothing', {}, { limits: { [gpu]: '2' }, requests: { [gpu]: '2' } }, { 'tensor-parallel': '2' }],
    ['more devices than ranks', { limits: { [gpu]: 4 } }, { limits: { [gpu]: 4 }, requests: { [gpu]: 4 } }, {}],
    [
      'fewer devices than ranks',
      { limits: { [gpu]: '1' } },
      { limits: { [gpu]: '1' }, requests: { [gpu]: '1' } },
      { 'tensor-parallel': '4' },
    ],
    ['a request alone', { requests: { [gpu]: '4' } }, { limits: { [gpu]: '4' }, requests: { [gpu]: '4' } }, {}],
    ['a slice of a device', { limits: { [mig]: '1' } }, { limits: { [mig]: '1' }, requests: { [mig]: '1' } }, {}],
    [
      'memory without devices',
      { limits: { memory: '64Gi' } },
      {
        limits: { memory: '64Gi', cpu: '16', [npu]: '4' },
        requests: { memory: '64Gi', cpu: '16', [npu]: '4' },
      },
      { accelerator: 'ascend910', 'tensor-parallel': '4' },
    ],
    [
      'devices without memory: as much as these need',
      { limits: { [npu]: '8' } },
      { limits: { [npu]: '8', cpu: '32', memory: '256Gi' }, requests: { [npu]: '8', cpu: '32', memory: '256Gi' } },
      { 'tensor-parallel': '4' },
    ],
    [
      'a request of memory has no limit of ours below it',
      { limits: { [npu]: '4' }, requests: { memory: '512Gi' } },
      { limits: { [npu]: '4', cpu: '16' }, requests: { [npu]: '4', cpu: '16', memory: '512Gi' } },
      { 'tensor-parallel': '4' },
    ],
  ];
  for (const [title, resources, expected, said] of rows) {
    const image = JSON.stringify(expected).includes(npu) ? vllmAscend : vllm;
    const { problems, container } = filled({ image, resources }, said);
    t.same(problems, [], title);
    t.same(container?.resources, expected, title);
  }
});

/** Whole documents: the two of the user, a Pod beside the template it came from, and what nobody validated. */
import t from 'tap';
import type { Pod, PodSpec } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { readPod, readPodSpec } from '../../../src/core/reading/pod.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { packagedProfiles, sampleServing, servingOf } from '../expand/samples.js';

const profiles = packagedProfiles();

t.test('the two user documents', async (t) => {
  const rows = (['gpu/modelserving', 'npu/modelserving'] as const).flatMap((name) =>
    readServing(sampleServing(name), profiles).roles.map(({ pod }) => ({
      container: pod?.containerPath.replace('spec.template.', ''),
      engine: `${pod?.engine.profile.name} ${pod?.engine.version} ${pod?.engine.reading}`,
      model: pod?.engine.model,
      served: pod?.engine.servedNames.join(),
      port: pod?.engine.port,
      size: `tp${pod?.engine.tensorParallel} dp${pod?.engine.dataParallel} ranks${pod?.engine.ranksPerPod}`,
      devices: `${pod?.devices.count} ${pod?.devices.profile?.name}`,
      connector: `${pod?.connector?.profile?.name} ${pod?.connector?.role} ${pod?.connector?.profile?.dialect}`,
      side: pod?.side,
    })),
  );
  const gpuRow = {
    engine: 'vllm 0.10.0 shell',
    model: '/models/Qwen3-0.6B',
    served: 'Qwen/Qwen3-0.6B',
    port: 8000,
    size: 'tp1 dp1 ranks1',
    devices: '1 nvidia',
  };
  const npuRow = {
    engine: 'vllm-ascend 0.10.1rc1 exact',
    model: '/mnt/cache/deepseek-ai/DeepSeek-V2-Lite/',
    served: 'deepseek-ai/DeepSeekV2',
    port: 8000,
    size: 'tp2 dp1 ranks2',
    devices: '4 ascend-1980',
  };
  t.same(rows, [
    {
      container: 'roles[0].entryTemplate.spec.containers[0]',
      ...gpuRow,
      connector: 'nixl kv_producer nixl-pull',
      side: 'prefill',
    },
    {
      container: 'roles[1].entryTemplate.spec.containers[0]',
      ...gpuRow,
      connector: 'nixl kv_consumer nixl-pull',
      side: 'decode',
    },
    // The first container of the prefill role is Kthena's runtime sidecar.
    {
      container: 'roles[0].entryTemplate.spec.containers[1]',
      ...npuRow,
      connector: 'mooncake-v1 kv_producer nixl-pull',
      side: 'prefill',
    },
    {
      container: 'roles[1].entryTemplate.spec.containers[0]',
      ...npuRow,
      connector: 'mooncake-v1 kv_consumer nixl-pull',
      side: 'decode',
    },
  ]);
});

t.test('a Pod reads like its template', async (t) => {
  const { roles } = readServing(sampleServing('npu/modelserving'), profiles);
  for (const { name, template, pod: expected } of roles) {
    const pod: Pod = { metadata: { labels: { 'modelserving.volcano.sh/role': name } }, spec: template.spec as PodSpec };
    const found = readPod(pod, profiles);
    t.same(found?.engine.args, expected?.engine.args);
    t.equal(found?.side, expected?.side);
  }
});

t.test('nothing that arrives unvalidated makes a reading throw', async (t) => {
  const odd: readonly unknown[] = [
    undefined,
    null,
    1,
    'x',
    [],
    {},
    [null],
    [1],
    { spec: 1 },
    { containers: [null, 7, { name: 1, args: 'x', env: {}, image: {} }] },
  ];
  for (const value of odd) {
    t.doesNotThrow(() => readServing({ metadata: {}, spec: value } as unknown as ModelServing, profiles));
    t.doesNotThrow(() => readServing({ spec: { template: { roles: value } } } as unknown as ModelServing, profiles));
    t.doesNotThrow(() => readPodSpec(value as PodSpec, profiles, { path: 'spec' }));
    const role = { name: 'prefill', entryTemplate: { spec: value } };
    t.doesNotThrow(() => readServing({ spec: { template: { roles: [role] } } } as unknown as ModelServing, profiles));
  }
  const [role] = readServing(
    servingOf('- name: web\n  entryTemplate: {spec: {containers: [{name: nginx, image: nginx}]}}'),
    profiles,
  ).roles;
  t.equal(role?.pod, undefined);
});

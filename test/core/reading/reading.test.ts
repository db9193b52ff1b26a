import t from 'tap';
import type { Container, Pod, PodSpec } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { readPod, readPodSpec } from '../../../src/core/reading/pod.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { commandsOf } from '../../../src/core/reading/shell.js';
import type { PodReading } from '../../../src/core/reading/types.js';
import { packagedProfiles, sampleServing, servingOf } from '../expand/samples.js';

const profiles = packagedProfiles();
const gpu = { limits: { 'nvidia.com/gpu': 1 } };
const npu = { limits: { 'huawei.com/ascend-1980': '4' } };
const vllmImage = 'docker.io/vllm/vllm-openai:v0.11.2';

function read(
  container: Partial<Container>,
  place: { role?: string; workerReplicas?: number } = {},
): PodReading | undefined {
  return readPodSpec({ containers: [{ name: 'c', ...container }] }, profiles, { path: 'spec', ...place });
}

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

t.test('an engine is known by its program, wherever that stands', async (t) => {
  const rows: readonly (readonly [string, Partial<Container>, string])[] = [
    ['image entrypoint, positional model', { image: vllmImage, args: ['m', '-tp', '2'] }, 'vllm exact m 2'],
    ['vllm serve', { image: 'mine', command: ['vllm', 'serve', 'm', '--tensor-parallel-size=2'] }, 'vllm exact m 2'],
    [
      'a path to the program',
      { image: 'mine', command: ['/usr/bin/vllm'], args: ['serve', 'm', '-tp=2'] },
      'vllm exact m 2',
    ],
    [
      'module, split over command and args',
      { image: 'mine', command: ['python3', '-m'], args: ['vllm.entrypoints.openai.api_server', '--model', 'm'] },
      'vllm exact m 1',
    ],
    ['behind an init', { image: 'mine', command: ['tini', '--', 'vllm', 'serve', 'm'] }, 'vllm exact m 1'],
    [
      'underscores',
      { image: 'mine', command: ['vllm', 'serve', '--model=m', '--tensor_parallel_size', '4'] },
      'vllm exact m 4',
    ],
    [
      'the last of two counts',
      { image: 'mine', command: ['vllm', 'serve', 'm', '-tp', '2', '--tensor-parallel-size', '8'] },
      'vllm exact m 8',
    ],
    ['a switch before the model', { image: vllmImage, args: ['--trust-remote-code', 'm'] }, 'vllm exact m 1'],
    ['on an NPU', { image: 'mine', command: ['vllm', 'serve', 'm'], resources: npu }, 'vllm-ascend exact m 1'],
    [
      'ascend by image',
      { image: 'quay.io/ascend/vllm-ascend:v0.11.0', command: ['vllm', 'serve', 'm'] },
      'vllm-ascend exact m 1',
    ],
    [
      'SGLang',
      { image: 'x', command: ['python3', '-m', 'sglang.launch_server', '--model-path', 'm', '--tp', '8'] },
      'sglang exact m 8',
    ],
    [
      'SGLang, other spelling',
      { image: 'lmsysorg/sglang:v0.5.5', command: ['sglang', 'serve', '--model', 'm', '--tp-size=8'] },
      'sglang exact m 8',
    ],
    [
      'a script',
      {
        image: 'mine',
        command: [
          'bash',
          '-lc',
          `set -e\nexport TP=4\nexec vllm serve "m" \\\n  --tensor-parallel-size \${TP} > /log 2>&1`,
        ],
      },
      'vllm shell m 4',
    ],
    [
      'a script as argument',
      { image: 'mine', command: ['/bin/sh'], args: ['-ec', "cd /x && A=1 vllm serve 'm' | tee y"] },
      'vllm shell m 1',
    ],
    [
      'a script, where the image has no entrypoint',
      { image: 'mine', args: ['bash', '-c', 'vllm serve m --port 8100 -tp 2'] },
      'vllm shell m 2',
    ],
    [
      'a script in an engine image, with its arguments',
      { image: vllmImage, args: ['/bin/sh', '-c', 'exec vllm serve "$@"', '--', 'm', '-tp', '2'] },
      'vllm shell m 2',
    ],
    [
      'a model of that name',
      { image: vllmImage, args: ['--model', '/models/sh', '-c', '2'] },
      'vllm exact /models/sh 1',
    ],
    [
      '$(VAR) of Kubernetes',
      { image: vllmImage, env: [{ name: 'T', value: '2' }], args: ['m', '-tp', '$(T)'] },
      'vllm exact m 2',
    ],
    ['arguments from a file', { image: vllmImage, args: ['--config', '/etc/vllm.yaml'] }, 'vllm opaque undefined 1'],
    [
      'a start script on a device',
      { image: vllmImage, command: ['/start.sh'], resources: gpu },
      'vllm opaque undefined 1',
    ],
  ];
  for (const [title, container, expected] of rows) {
    const engine = read(container)?.engine;
    t.equal(`${engine?.profile.name} ${engine?.reading} ${engine?.model} ${engine?.tensorParallel}`, expected, title);
  }
});

t.test('what is no engine is not taken for one', async (t) => {
  const rows: readonly (readonly [string, Partial<Container>])[] = [
    ['nginx', { image: 'nginx:1.27' }],
    ["Kthena's runtime", { image: 'ghcr.io/volcano-sh/runtime:latest', args: ['--engine', 'vllm', '--model', 'm'] }],
    ['a router of vLLM', { image: 'vllm/vllm-router:v0.1', args: ['--prefill', 'http://p'] }],
    ['a proxy in an engine image', { image: vllmImage, command: ['python3', 'proxy.py'] }],
    ['a script that only waits', { image: 'busybox', command: ['sh', '-c', 'until curl vllm; do sleep 1; done'] }],
    [
      'a heredoc that mentions it',
      { image: 'x', command: ['sh', '-c', 'cat <<EOF >run.sh\nvllm serve m\nEOF\nnginx'] },
    ],
    ['a comment that mentions it', { image: 'x', command: ['sh', '-c', '# vllm serve m\nnginx'] }],
    ['nothing at all', {}],
  ];
  for (const [title, container] of rows) t.equal(read(container), undefined, title);
});

t.test('of several containers the one that starts an engine counts', async (t) => {
  const spec: PodSpec = {
    containers: [
      { name: 'opaque', image: vllmImage, command: ['/start.sh'], resources: gpu },
      { name: 'engine', image: vllmImage, args: ['m'] },
    ],
  };
  t.equal(readPodSpec(spec, profiles, { path: 'spec' })?.container.name, 'engine');
});

t.test('ranks per pod', async (t) => {
  const rows: readonly (readonly [string, readonly string[], number, number])[] = [
    ['tensor x pipeline', ['-tp', '4', '-pp', '2'], 0, 8],
    ['data parallel in one pod', ['-tp', '2', '-dp', '4'], 0, 8],
    ['data parallel over two pods', ['-tp', '2', '-dp', '4'], 1, 4],
    ['local data parallel', ['-tp', '2', '-dp', '16', '-dpl', '2'], 3, 4],
    ['tensor parallel over two pods', ['-tp', '16', '--nnodes', '2'], 1, 8],
    ['tensor parallel over two pods, by Ray', ['-tp', '16'], 1, 8],
    ['context parallel', ['-tp', '4', '-pcp', '2'], 0, 8],
  ];
  for (const [title, args, workerReplicas, ranks] of rows) {
    t.equal(read({ image: vllmImage, args: ['m', ...args] }, { workerReplicas })?.engine.ranksPerPod, ranks, title);
  }
  const sglang = ['--model-path', 'm', '--tp', '8', '--dp', '8'];
  const image = 'lmsysorg/sglang:v0.5.5';
  const command = ['python3', '-m', 'sglang.launch_server'];
  t.equal(read({ image, command, args: sglang })?.engine.ranksPerPod, 64);
  t.equal(
    read({ image, command, args: [...sglang, '--enable-dp-attention'] })?.engine.ranksPerPod,
    8,
    'inside the tensor-parallel world',
  );
});

t.test('connectors', async (t) => {
  const config = (value: unknown) => ({ image: vllmImage, args: ['m', '--kv-transfer-config', JSON.stringify(value)] });
  const multi = (...connectors: object[]) => ({
    kv_connector: 'MultiConnector',
    kv_role: 'kv_both',
    kv_connector_extra_config: { connectors },
  });
  const rows: readonly (readonly [string, Partial<Container>, string | undefined, string])[] = [
    ['NIXL', config({ kv_connector: 'NixlConnector', kv_role: 'kv_both' }), 'decode', 'nixl nixl-pull decode'],
    [
      'role says the side',
      config({ kv_connector: 'NixlConnector', kv_role: 'kv_producer' }),
      'decode',
      'nixl nixl-pull prefill',
    ],
    [
      'push',
      config({ kv_connector: 'NixlPushConnector', kv_role: 'kv_consumer' }),
      undefined,
      'nixl-push nixl-push decode',
    ],
    [
      'upstream Mooncake',
      config({ kv_connector: 'MooncakeConnector', kv_role: 'kv_producer' }),
      undefined,
      'mooncake mooncake prefill',
    ],
    [
      'layerwise',
      config({ kv_connector: 'MooncakeLayerwiseConnector', kv_role: 'kv_producer' }),
      undefined,
      'mooncake-layerwise layerwise prefill',
    ],
    [
      'LMCache, shared',
      config({ kv_connector: 'LMCacheConnectorV1', kv_role: 'kv_both' }),
      'prefill',
      'lmcache two-step prefill',
    ],
    [
      'LMCache, direct',
      config({
        kv_connector: 'LMCacheConnectorV1',
        kv_role: 'kv_producer',
        kv_connector_extra_config: { discard_partial_chunks: false },
      }),
      undefined,
      'lmcache-pd lmcache-pd prefill',
    ],
    [
      'P2P NCCL',
      config({ kv_connector: 'P2pNcclConnector', kv_role: 'kv_consumer' }),
      undefined,
      'p2p-nccl p2p-nccl decode',
    ],
    [
      'the peer-to-peer connector inside several',
      config(
        multi(
          { kv_connector: 'AscendStoreConnector', kv_role: 'kv_both' },
          { kv_connector: 'MooncakeConnectorV1', kv_role: 'kv_producer' },
        ),
      ),
      undefined,
      'mooncake-v1 nixl-pull prefill',
    ],
    [
      'only a pool inside',
      config(multi({ kv_connector: 'AscendStoreConnector', kv_role: 'kv_both' })),
      'prefill',
      'ascend-store two-step prefill',
    ],
    ['unknown', config({ kv_connector: 'MyConnector', kv_role: 'kv_both' }), 'prefill', 'undefined undefined prefill'],
    [
      'one flag for each member',
      {
        image: vllmImage,
        args: ['m', '--kv-transfer-config.kv_connector=NixlConnector', '--kv-transfer-config.kv_role', 'kv_consumer'],
      },
      undefined,
      'nixl nixl-pull decode',
    ],
    [
      'SGLang, default backend',
      { image: 'lmsysorg/sglang:v0.5.5', args: ['--disaggregation-mode', 'prefill'] },
      undefined,
      'sglang-mooncake sglang prefill',
    ],
    [
      'SGLang, nixl',
      {
        image: 'lmsysorg/sglang:v0.5.5',
        args: ['--disaggregation-mode=decode', '--disaggregation-transfer-backend=nixl'],
      },
      undefined,
      'sglang-nixl sglang decode',
    ],
    ['none', { image: vllmImage, args: ['m'] }, 'server', 'undefined undefined aggregated'],
  ];
  for (const [title, container, role, expected] of rows) {
    const pod = read(container, role === undefined ? {} : { role });
    t.equal(`${pod?.connector?.profile?.name} ${pod?.connector?.profile?.dialect} ${pod?.side}`, expected, title);
  }
  const broken = read({ image: vllmImage, args: ['m', '--kv-transfer-config', '{"kv_connector":'] })?.connector;
  t.match(broken, { config: undefined, name: '', path: 'spec.containers[0].args[2]' });
  t.type(broken?.error, 'string', 'JSON that cannot be read is told, not thrown');
});

t.test('values carry the place where they are written', async (t) => {
  const pod = read({
    image: vllmImage,
    command: ['vllm', 'serve', 'm'],
    args: ['--port=9000', '-tp', '2'],
    resources: npu,
  });
  t.equal(pod?.engine.argPaths.get('port'), 'spec.containers[0].args[0]');
  t.equal(pod?.engine.argPaths.get('tensor-parallel-size'), 'spec.containers[0].args[2]');
  t.equal(pod?.devices.path, 'spec.containers[0].resources.limits["huawei.com/ascend-1980"]');
});

t.test('several served names', async (t) => {
  const names = read({ image: vllmImage, args: ['m', '--served-model-name', 'a', 'b', '--port', '1'] })?.engine
    .servedNames;
  t.same(names, ['a', 'b']);
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

t.test('the shell, as far as it is read', async (t) => {
  const env = new Map([['E', 'env']]);
  const rows: readonly (readonly [string, string, readonly (readonly string[])[]])[] = [
    ['quotes', `a 'b c' "d e" f\\ g h'i'"j"`, [['a', 'b c', 'd e', 'f g', 'hij']]],
    ['continuations', 'a \\\n  --b \\\r\n c', [['a', '--b', 'c']]],
    ['operators', 'a; b && c | d\ne & (f)', [['a'], ['b'], ['c'], ['d'], ['e'], ['f']]],
    [
      'variables',
      `X=1; a $X \${X} "$X" '$X' $E \${U:-u} $U \\$X`,
      [['X=1'], ['a', '1', '1', '1', '$X', 'env', 'u', '$U', '$X']],
    ],
    ['substitution stays text', 'a $(b c) "$(d "e")"', [['a', '$(b c)', '$(d "e")']]],
    ['redirections', 'a >b 2>&1 <c d >>e', [['a', 'd']]],
    ['comments', 'a # b\nc#d', [['a'], ['c#d']]],
    ['JSON in double quotes', 'a "{\\"b\\": 1}"', [['a', '{"b": 1}']]],
    ['an empty word', `a '' ""`, [['a', '', '']]],
    ['unfinished quote', `a 'b`, [['a', 'b']]],
  ];
  for (const [title, script, expected] of rows) t.same(commandsOf(script, env), expected, title);
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

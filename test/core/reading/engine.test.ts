/** Which container is an engine, and what its command says: model, names, sizes, and where each is written. */
import t from 'tap';
import type { Container, PodSpec } from '../../../src/api/kube.js';
import { readPodSpec } from '../../../src/core/reading/pod.js';
import { profiles, read, vllmImage } from './one-container.js';

const gpu = { limits: { 'nvidia.com/gpu': 1 } };
const npu = { limits: { 'huawei.com/ascend-1980': '4' } };

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

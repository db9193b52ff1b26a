/** The front door: what a person sees, right and wrong. Each case runs the real binary. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { run } from '../e2e/kubectl.js';

const tandem = (args: readonly string[], options: { input?: string; env?: NodeJS.ProcessEnv } = {}) =>
  run(process.execPath, ['dist/src/cli/main.js', ...args], {
    ...options,
    env: { KUBECONFIG: '', HOME: '/nonexistent', ...options.env },
  });

t.test('tandem --help names every command', async (t) => {
  const { code, stdout } = await tandem(['--help']);
  t.equal(code, 0);
  for (const command of [
    'demo',
    'lab',
    'expand',
    'check',
    'webhook',
    'controller',
    'extender',
    'router',
    'all',
    'status',
    'explain',
    'plan',
    'doctor',
  ]) {
    t.match(stdout, new RegExp(`^  ${command} `, 'm'), command);
  }
});

interface Result {
  readonly ruleId: string;
  readonly ruleIndex: number;
  readonly level: string;
  readonly locations: readonly [
    {
      readonly physicalLocation: { artifactLocation: { uri: string }; region: { startLine: number } };
      readonly logicalLocations: readonly [{ readonly fullyQualifiedName: string }];
    },
  ];
}

t.test('wrong usage exits with 2 and says how to get help', async (t) => {
  for (const args of [
    ['no-such-command'],
    ['expand'],
    ['check', '--bogus'],
    ['router', '--log-level', 'loud'],
    ['check', '-f', 'x', '-o', 'xml'],
    ['controller', '--workers', '0'],
    ['controller', '--workers', 'many'],
    ['all', '--workers', '-1'],
    ['demo', 'tpu'],
  ]) {
    const { code, stderr } = await tandem(args);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, /--help/);
  }
});

t.test('tandem expand', async (t) => {
  await t.test('prints manifests that expand to themselves', async (t) => {
    const once = await tandem(['expand', '-f', 'config/samples/npu/modelserving.yaml']);
    const twice = await tandem(['expand', '-f', '-'], { input: once.stdout });
    t.equal(once.code, 0);
    t.same(
      parseAllDocuments(twice.stdout).map((document) => document.toJS()),
      parseAllDocuments(once.stdout).map((document) => document.toJS()),
    );
  });
  await t.test('--no-runtime-mounts mounts the driver where the runtime does not', async (t) => {
    const args = ['expand', '-f', 'config/samples/npu/modelserving.yaml'];
    const mount = 'mountPath: /usr/local/Ascend/driver';
    t.notMatch((await tandem(args)).stdout, mount);
    t.match((await tandem([...args, '--no-runtime-mounts'])).stdout, mount);
  });
  await t.test('--options chooses what profiles leave open, for all servings', async (t) => {
    const args = ['expand', '-f', 'config/samples/npu/modelserving.yaml', '--options'];
    t.match((await tandem([...args, 'node-type=ascend-1980'])).stdout, 'accelerator/huawei-npu: ascend-1980');
    const { code, stderr } = await tandem([...args, 'node-kind=ascend-1980']);
    t.equal(code, 1);
    t.match(stderr, /--options "node-kind=ascend-1980" cannot be used: .*; use .*node-type.* instead of "node-kind"/);
  });
  await t.test('--explain puts the reason above what it adds', async (t) => {
    const { stdout } = await tandem(['expand', '--explain', '-f', 'config/samples/gpu/modelserving.yaml']);
    t.match(stdout, /# vllm: .*\n\s+startupProbe:/);
  });
  await t.test('-o json is JSON', async (t) => {
    const { stdout } = await tandem(['expand', '-o', 'json', '-f', 'config/samples/terse-gpu.yaml']);
    t.doesNotThrow(() => JSON.parse(stdout));
  });
});

t.test('tandem check', async (t) => {
  await t.test('accepts the documents and names what they leave broken', async (t) => {
    const { code, stdout } = await tandem([
      'check',
      '-f',
      'config/samples/gpu/modelserving.yaml',
      'config/samples/gpu/modelserver.yaml',
    ]);
    t.equal(code, 0);
    t.match(stdout, /warning TND-024/);
    t.match(stdout, /warning TND-067/);
  });
  await t.test('reads what ConfigMaps of the same files and namespace tell the engines', async (t) => {
    const config = JSON.stringify({
      kv_connector: 'LMCacheConnectorV1',
      kv_role: 'kv_consumer',
      kv_connector_extra_config: { discard_partial_chunks: false },
    });
    const container = {
      name: 'e',
      image: 'vllm/vllm-openai:v0.30.0',
      args: ['m', '--tensor-parallel-size', '2', '--kv-transfer-config', config],
      env: [{ name: 'LMCACHE_PD_PEER_INIT_PORT', valueFrom: { configMapKeyRef: { name: 'kv', key: 'init' } } }],
    };
    const serving = {
      apiVersion: 'workload.serving.volcano.sh/v1alpha1',
      kind: 'ModelServing',
      metadata: { name: 's' },
      spec: { template: { roles: [{ name: 'decode', entryTemplate: { spec: { containers: [container] } } }] } },
    };
    const map = (namespace: string) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'kv', namespace },
        data: { init: '7300' },
      });
    const saw = async (...documents: readonly string[]) => {
      const input = [JSON.stringify(serving), ...documents].join('\n---\n');
      return (await tandem(['check', '-f', '-'], { input })).stdout;
    };
    t.match(await saw(), /warning TND-045 .*ConfigMap kv, key init/);
    t.match(await saw(map('other')), /warning TND-045 .*ConfigMap kv, key init/);
    t.match(await saw(map('default')), /error +TND-045 .*pd_peer_init_port with 1 ports/);
  });
  await t.test('takes an empty field for an absent one, as an API server does', async (t) => {
    const serving = [
      'apiVersion: workload.serving.volcano.sh/v1alpha1',
      'kind: ModelServing',
      'metadata:',
      '  name: s',
      '  labels:',
      'spec:',
      '  template:',
      '    roles:',
      '    - name: prefill',
      '      workerReplicas: 0',
      '      entryTemplate:',
      '        metadata:',
      '        spec:',
      '          nodeSelector:',
      '          volumes:',
      '          containers:',
      '          - name: e',
      '            image: vllm/vllm-openai:v0.12.0',
      '            args: [m]',
      '            env: [{name: A, value: }]',
      '            ports:',
      '            resources: {limits: , requests: {nvidia.com/gpu: }}',
      '            startupProbe:',
    ].join('\n');
    for (const command of ['check', 'expand']) {
      const { code, stdout, stderr } = await tandem([command, '-f', '-'], { input: serving });
      t.equal(stderr, '', command);
      t.equal(code, 0, command);
      t.notMatch(stdout, /null/, command);
    }
  });
  await t.test('exits with 1 on an error, in JSON too', async (t) => {
    const folder = t.testdir({
      'a.yaml':
        'apiVersion: networking.serving.volcano.sh/v1alpha1\nkind: ModelRoute\nmetadata: {name: r}\nspec: {rules: []}\n',
    });
    const { code, stdout } = await tandem(['check', '-o', 'json', '-f', join(folder, 'a.yaml')]);
    t.equal(code, 1);
    t.match(JSON.parse(stdout), [{ severity: 'error', kind: 'ModelRoute', name: 'r' }]);
  });
  await t.test('-o sarif says where in the file each finding is', async (t) => {
    const file = 'config/samples/npu/modelserving.yaml';
    const { code, stdout } = await tandem(['check', '-o', 'sarif', '-f', file]);
    t.equal(code, 0);
    const { version, runs } = JSON.parse(stdout) as {
      version: string;
      runs: [{ tool: { driver: { rules: { id: string }[] } }; results: Result[] }];
    };
    t.equal(version, '2.1.0');
    const [{ tool, results }] = runs;
    const written = readFileSync(file, 'utf8').split('\n');
    const port = results.find(({ ruleId }) => ruleId === 'TND-026');
    const at = port?.locations[0].physicalLocation;
    t.equal(at?.artifactLocation.uri, file);
    t.match(written[(at?.region.startLine ?? 0) - 1], /kv_port|kv-transfer-config|- \|/, 'the line of the argument');
    for (const { ruleId, ruleIndex, level, locations } of results) {
      t.equal(tool.driver.rules[ruleIndex]?.id, ruleId);
      t.match(level, /^(error|warning)$/);
      t.match(locations[0].logicalLocations[0].fullyQualifiedName, /^(spec|metadata)\./);
    }
  });
});

t.test('what is wrong with a file is told with its place, and without a stack', async (t) => {
  const folder = t.testdir({
    'broken.yaml': 'kind: [\n',
    'list.yaml': '- 1\n',
    'nameless.yaml': 'apiVersion: v1\nkind: Pod\n',
    profiles: { 'x.yaml': 'kind: engine\n' },
  });
  const cases: [readonly string[], RegExp][] = [
    [['check', '-f', join(folder, 'broken.yaml')], /error manifest-not-yaml: .*broken\.yaml:\d+:\d+: /],
    [['check', '-f', join(folder, 'list.yaml')], /error manifest-not-an-object: .*no apiVersion/],
    [['expand', '-f', join(folder, 'nameless.yaml')], /error manifest-not-an-object: .*no metadata\.name/],
    [['expand', '-f', join(folder, 'absent.yaml')], /error manifest-unreadable: .*absent\.yaml/],
    [
      ['expand', '-f', 'config/samples/gpu/modelserving.yaml', '--profiles', join(folder, 'profiles')],
      /error profiles-invalid: .*x\.yaml/s,
    ],
  ];
  for (const [args, expected] of cases) {
    const { code, stderr } = await tandem(args);
    t.equal(code, 1, args.slice(0, 2).join(' '));
    t.match(stderr, expected);
    t.notMatch(stderr, /\n\s+at /, 'no stack trace');
  }
});

t.test('a folder stands for its manifests, and a serving of the wrong shape is refused by every command', async (t) => {
  t.match((await tandem(['check', '-f', 'config/samples/npu'])).stdout, /3 objects/);
  const { stdout } = await tandem(['expand', '-f', 'config/samples/terse-gpu.yaml']);
  const folder = t.testdir({ 'many.yaml': stdout.replace(/^spec:$/m, 'spec:\n  replicas: many') });
  for (const args of [['expand'], ['explain'], ['plan', '--nodes', 'config/lab/nodes.yaml']]) {
    const { code, stderr } = await tandem([...args, '-f', join(folder, 'many.yaml')]);
    t.equal(code, 1, `tandem ${args[0]}`);
    t.match(stderr, /error manifest-invalid: .*spec\.replicas: saw "many"/s);
  }
});

t.test('a kubeconfig that cannot be written ends the lab in words', async (t) => {
  const { code, stderr } = await tandem(['lab', '--listen', '127.0.0.1:0', '--kubeconfig-out', '/dev/full']);
  t.equal(code, 1);
  t.match(stderr, /error kubeconfig-not-written: .*ENOSPC.*--kubeconfig-out/);
  t.notMatch(stderr, /\n\s+at /, 'no stack trace');
});

t.test('a missing cluster is an error with its fix', async (t) => {
  for (const command of ['controller', 'status', 'doctor']) {
    const { code, stderr } = await tandem([command]);
    t.equal(code, 1);
    t.match(stderr, /error no-kubeconfig: .*KUBECONFIG/, command);
  }
});

t.test('a taken port is an error with its fix', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  const folder = t.testdir({ 'objects.yaml': '' });
  const { code, stderr } = await tandem([
    'router',
    '--listen',
    `127.0.0.1:${port}`,
    '--metrics-listen',
    '127.0.0.1:0',
    '--objects',
    join(folder, 'objects.yaml'),
  ]);
  t.equal(code, 1);
  t.match(stderr, /error port-in-use: .*--listen/);
});

t.test('--config', async (t) => {
  const folder = t.testdir({ 'objects.yaml': '' });
  await t.test('refuses an unknown key and lists the known ones', async (t) => {
    writeFileSync(join(folder, 'bad.yaml'), 'lissten: 127.0.0.1:0\n');
    const { code, stderr } = await tandem(['router', '--config', join(folder, 'bad.yaml')]);
    t.equal(code, 1);
    t.match(stderr, /error config-invalid: .*"lissten".*known keys: listen, metrics-listen/);
  });
  await t.test('refuses a value that the flag cannot have', async (t) => {
    const wrong: [string, string, RegExp][] = [
      ['router', 'log-level: loud', /log-level is "loud"; write one of trace, /],
      ['router', 'listen: {a: 1}', /listen is \{"a":1\}; write a text or a number/],
      ['controller', 'leader-elect: sometimes', /leader-elect is "sometimes"; write true or false/],
    ];
    for (const [command, text, expected] of wrong) {
      writeFileSync(join(folder, 'wrong.yaml'), `${text}\n`);
      const { code, stderr } = await tandem([command, '--config', join(folder, 'wrong.yaml')]);
      t.equal(code, 1, text);
      t.match(stderr, expected);
    }
  });
  await t.test('gives flags their values unless the command line does', async (t) => {
    writeFileSync(join(folder, 'good.yaml'), 'listen: nonsense\n');
    const { stderr } = await tandem([
      'router',
      '--config',
      join(folder, 'good.yaml'),
      '--objects',
      join(folder, 'objects.yaml'),
    ]);
    t.match(stderr, /error bad-listen-address: listen address "nonsense"/);
  });
});

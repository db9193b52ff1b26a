import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { Container, PodSpec } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { describeExpandProblem, expandReport } from '../../../src/cli/expand-report.js';
import { expandServing, modeOf, servingAsRun } from '../../../src/core/expand/serving.js';
import { additionTable } from '../../../src/core/expand/table.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { packagedProfiles, sampleNames, sampleServing, servingOf } from './samples.js';

const profiles = packagedProfiles();
const expand = (serving: ModelServing) => expandServing(serving, profiles, settings);
const entry = (serving: ModelServing, role: string): PodSpec =>
  serving.spec.template.roles.find(({ name }) => name === role)?.entryTemplate.spec as PodSpec;
const engineOf = (serving: ModelServing, role: string): Container => {
  const found = readServing(serving, profiles).roles.find(({ name }) => name === role)?.pod;
  if (!found) throw new Error(`no engine in ${role}`);
  return found.container;
};

/** The revision follows every edit of a profile; what a golden file pins is the rest. */
const withoutRevision = (text: string): string => text.replace(/@[0-9a-f]{12}$/m, '@REVISION');

t.test('what admission makes of each sample, with the reason of every addition', async (t) => {
  for (const name of sampleNames) {
    const file = `test/fixtures/expand/${name.replace('/modelserving', '')}.yaml`;
    const { object, reasons, problems } = expand(sampleServing(name));
    const report = withoutRevision(expandReport({ object, reasons, problems }, { explain: true }));
    if (process.env['GOLDEN'] === 'write') writeFileSync(file, report);
    t.equal(
      existsSync(file) ? readFileSync(file, 'utf8') : '',
      report,
      `${file} (write it anew with GOLDEN=write, then review it)`,
    );
  }
});

t.test('terse samples fit on a page', async (t) => {
  for (const name of ['terse-gpu', 'terse-npu']) {
    const lines = readFileSync(`config/samples/${name}.yaml`, 'utf8').trimEnd().split('\n');
    t.ok(lines.length <= 30, `${name}: ${lines.length} lines`);
  }
});

t.test('the repairs of the hand-written documents', async (t) => {
  const npu = expand(sampleServing('npu/modelserving')).object;
  const gpu = expand(sampleServing('gpu/modelserving')).object;

  t.same(
    npu.spec.template.roles.map(({ workerReplicas }) => workerReplicas),
    [0, 0],
    'B.10: the NPU document leaves workerReplicas out',
  );
  const runtime = entry(npu, 'prefill').containers.find(({ name }) => name === 'runtime');
  t.same(
    runtime?.env?.map(({ name }) => name),
    ['NAMESPACE', 'POD_NAME'],
    "the runtime sidecar's $(POD_NAME).$(NAMESPACE) means something",
  );
  t.match(engineOf(npu, 'decode').startupProbe, {
    httpGet: { path: '/health', port: 8000 },
    periodSeconds: 5,
    failureThreshold: 720,
  });
  t.equal(
    engineOf(gpu, 'prefill').env?.find(({ name }) => name === 'VLLM_NIXL_SIDE_CHANNEL_HOST')?.value,
    '0.0.0.0',
    'what the user wrote stands',
  );
  t.equal(engineOf(gpu, 'prefill').env?.filter(({ name }) => name === 'PYTHONHASHSEED').length, 1);
  t.same(
    entry(gpu, 'prefill').volumes,
    entry(sampleServing('gpu/modelserving'), 'prefill').volumes,
    '256Mi of shared memory stand; a check warns',
  );
  for (const role of ['prefill', 'decode']) {
    t.same(engineOf(npu, role).args, engineOf(sampleServing('npu/modelserving'), role).args, 'no argument is touched');
    t.same(engineOf(gpu, role).args, engineOf(sampleServing('gpu/modelserving'), role).args, 'no script is touched');
  }
});

t.test('the terse form carries what the documents write by hand', async (t) => {
  /** Name of a difference → why it is right. Anything that is not listed here must be equal. */
  const listed: Readonly<Record<string, string>> = {
    'gpu env NCCL_IB_DISABLE': '0 is the default',
    'gpu env NCCL_IB_GID_INDEX': 'an index of one cluster; written by hand where it is needed',
    'gpu env VLLM_ENABLE_V1_MULTIPROCESSING': 'a habit of older images',
    'gpu env PYTHONHASHSEED': 'any value does that is equal everywhere (C-41)',
    'gpu env VLLM_NIXL_SIDE_CHANNEL_HOST': 'the pod address instead of 0.0.0.0 (C-24)',
    'gpu env VLLM_NIXL_SIDE_CHANNEL_PORT': "vLLM's own default",
    'gpu env HF_HUB_OFFLINE': 'the weights come from the volume (C-58)',
    'gpu arg uvicorn-log-level': 'logging only',
    'gpu shared memory': 'sized for the devices instead of 256Mi (C-47)',
    'gpu liveness delay': 'the startup probe covers loading (C-62)',
    'gpu readiness delay': 'the startup probe covers loading (C-62)',
    'npu env VLLM_LOGGING_LEVEL': 'logging only',
    'npu env VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS':
      'the first run of a large model compiles for longer than the default (B.4)',
    'npu env VLLM_RPC_TIMEOUT': 'a large model loads for longer than the default (B.4)',
    'npu arg kv-transfer-config':
      'ports outside the random range (C-26), no literal engine ids (C-39), dp as run (C-15)',
    'npu devices': 'as many as there are ranks (C-22)',
    'npu shared memory': 'sized for the devices instead of 256Mi (C-47)',
    'npu liveness delay': 'the startup probe covers loading (C-62)',
    'npu readiness delay': 'the startup probe covers loading (C-62)',
  };
  const found = new Set<string>();
  for (const kind of ['gpu', 'npu'] as const) {
    const written = expand(sampleServing(`${kind}/modelserving`)).object;
    const terse = expand(sampleServing(`terse-${kind}`)).object;
    for (const role of ['prefill', 'decode']) {
      const a = facts(written, role);
      const b = facts(terse, role);
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
        if (JSON.stringify(a[key]) !== JSON.stringify(b[key])) found.add(`${kind} ${key}`);
      }
    }
  }
  t.same([...found].sort(), Object.keys(listed).sort());

  const config = (serving: ModelServing, role: string) =>
    readServing(serving, profiles).roles.find(({ name }) => name === role)?.pod?.connector?.config;
  const npu = expand(sampleServing('terse-npu')).object;
  t.match(config(npu, 'prefill'), { kv_role: 'kv_producer', kv_port: '36000', kv_buffer_device: 'npu' });
  t.same(config(npu, 'decode')?.['kv_connector_extra_config'], {
    prefill: { dp_size: 1, tp_size: 2, pp_size: 1 },
    decode: { dp_size: 1, tp_size: 2, pp_size: 1 },
  });
});

/** What an engine reads of its pod, by name; what does not apply is absent. */
function facts(serving: ModelServing, role: string): Record<string, unknown> {
  const pod = readServing(serving, profiles).roles.find(({ name }) => name === role)?.pod;
  if (!pod) throw new Error(`no engine in ${role}`);
  const { container, spec, engine } = pod;
  const volumes = new Map(spec.volumes?.map((volume) => [volume.name, volume]));
  const mounts = (container.volumeMounts ?? []).filter(({ mountPath }) => mountPath !== '/dev/shm');
  const shm = container.volumeMounts?.find(({ mountPath }) => mountPath === '/dev/shm');
  const [downloader] = spec.initContainers ?? [];
  return {
    image: container.image,
    model: engine.model,
    port: engine.port,
    ...Object.fromEntries([...engine.args].map(([flag, value]) => [`arg ${flag}`, value])),
    ...Object.fromEntries(
      (container.env ?? []).map(({ name, value, valueFrom }) => [`env ${name}`, value ?? valueFrom]),
    ),
    devices: pod.devices.count,
    'devices requested':
      container.resources?.requests?.[pod.devices.resource ?? ''] ===
      container.resources?.limits?.[pod.devices.resource ?? ''],
    'cpu and memory': [container.resources?.limits?.['cpu'], container.resources?.limits?.['memory']],
    mounts: mounts
      .map(({ mountPath, readOnly, name }) => [
        mountPath,
        readOnly,
        volumes.get(name)?.hostPath,
        volumes.get(name)?.emptyDir,
      ])
      .sort(),
    'shared memory': [
      volumes.get(shm?.name ?? '')?.emptyDir?.medium,
      volumes.get(shm?.name ?? '')?.emptyDir?.sizeLimit,
    ],
    capabilities: container.securityContext?.capabilities?.add,
    readiness: container.readinessProbe?.httpGet,
    'readiness delay': container.readinessProbe?.initialDelaySeconds,
    liveness: container.livenessProbe?.httpGet,
    'liveness delay': container.livenessProbe?.initialDelaySeconds,
    startup: container.startupProbe,
    download: [downloader?.image, downloader?.args, downloader?.volumeMounts?.map(({ mountPath }) => mountPath)],
    grace: spec.terminationGracePeriodSeconds,
  };
}

t.test('what is not an engine is left exactly as it is', async (t) => {
  const nginx = `
- name: prefill
  entryTemplate: {}
- name: web
  entryTemplate: {spec: {containers: [{name: web, image: "nginx:1.27", args: ["$(POD_NAME)"]}]}}
`;
  const before = servingOf(nginx, { 'tandem.dev/model': 'a/b' });
  const { object } = expand(before);
  t.same(object.spec.template.roles[1], before.spec.template.roles[1]);
  t.ok(object.spec.template.roles[0]?.entryTemplate.spec, 'beside it the terse role is made');
  const alone = servingOf('- name: web\n  entryTemplate: {spec: {containers: [{name: web, image: nginx}]}}');
  t.same(expand(alone), { object: alone, patch: [], reasons: [], problems: [], warnings: [], mode: 'template' });
});

t.test('modes', async (t) => {
  const mode = (value: string): ModelServing => {
    const serving = sampleServing('npu/modelserving');
    return { ...serving, metadata: { ...serving.metadata, annotations: { 'tandem.dev/expand': value } } };
  };
  t.test('off: nothing at all', async (t) => t.same(expand(mode('off')).patch, []));
  t.test('pods: only the pin, and the pods are known anyway', async (t) => {
    const { patch } = expand(mode('pods'));
    t.match(patch, [
      { op: 'add', path: '/metadata/annotations/tandem.dev~1profiles', value: /^ascend-1980,mooncake-v1,vllm-ascend@/ },
    ]);
    t.equal(patch.length, 1);
    const roles = servingAsRun(mode('pods'), profiles, settings).spec.template.roles;
    t.same(roles, expand(sampleServing('npu/modelserving')).object.spec.template.roles);
  });
  t.test('a word that is no mode is told, and means template', async (t) => {
    const { problems, patch } = expand(mode('pod'));
    t.match(problems, [{ path: 'metadata.annotations["tandem.dev/expand"]', saw: 'pod' }]);
    t.equal(modeOf(mode('pod')), 'template');
    t.not(patch.length, 0);
  });
});

t.test('additions', async (t) => {
  const engine = (container: object, spec: object = {}) =>
    servingOf(
      `- name: prefill\n  entryTemplate: {spec: ${JSON.stringify({ containers: [{ name: 'e', image: 'vllm/vllm-openai:v0.11.2', ...container }], ...spec })}}`,
    );
  const nixl = ['m', '--kv-transfer-config', '{"kv_connector":"NixlConnector","kv_role":"kv_producer"}'];
  const expanded = (serving: ModelServing) => engineOf(expand(serving).object, 'prefill');

  t.test('identity stands before what refers to it', async (t) => {
    const env =
      expanded(engine({ args: nixl, env: [{ name: 'ID', value: '$(POD_NAME)' }] })).env?.map(({ name }) => name) ?? [];
    t.ok(env.indexOf('POD_NAME') < env.indexOf('ID'));
  });
  t.test('a side channel advertises the pod when nobody says otherwise', async (t) => {
    const { env, ports, securityContext } = expanded(engine({ args: nixl }));
    t.match(
      env?.find(({ name }) => name === 'VLLM_NIXL_SIDE_CHANNEL_HOST'),
      { valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    );
    t.same(
      ports?.map(({ containerPort }) => containerPort),
      [8000, 5600],
    );
    t.same(securityContext?.capabilities?.add, ['IPC_LOCK']);
  });
  t.test('a capability that the user drops is not added back', async (t) => {
    const dropped = { capabilities: { drop: ['IPC_LOCK'] } };
    t.same(expanded(engine({ args: nixl, securityContext: dropped })).securityContext, dropped);
  });
  t.test('a seed that one side has is the other side’s too', async (t) => {
    const role = (name: string, env: object[]) =>
      `- name: ${name}\n  entryTemplate: {spec: ${JSON.stringify({ containers: [{ name: 'e', image: 'vllm/vllm-openai', args: nixl, env }] })}}`;
    const serving = servingOf(
      [role('prefill', []), role('decode', [{ name: 'PYTHONHASHSEED', value: '42' }])].join('\n'),
    );
    t.equal(
      engineOf(expand(serving).object, 'prefill').env?.find(({ name }) => name === 'PYTHONHASHSEED')?.value,
      '42',
    );
  });
  t.test('shared memory stays below half of the memory limit', async (t) => {
    const { volumes } = entry(
      expand(engine({ args: nixl, resources: { limits: { memory: '6Gi' } } })).object,
      'prefill',
    );
    t.match(volumes, [{ name: 'shared-memory', emptyDir: { medium: 'Memory', sizeLimit: '3Gi' } }]);
  });
  t.test('a volume of the same name and another meaning is not used', async (t) => {
    const mine = { volumes: [{ name: 'shared-memory', emptyDir: {} }] };
    const { object } = expand(engine({ args: nixl }, mine));
    t.same(
      entry(object, 'prefill').volumes?.map(({ name }) => name),
      ['shared-memory', 'shared-memory-tandem'],
    );
    t.match(engineOf(object, 'prefill').volumeMounts, [{ name: 'shared-memory-tandem', mountPath: '/dev/shm' }]);
  });
  t.test('the pod network’s interface is not named on the host network', async (t) => {
    const npu = {
      args: ['m'],
      image: 'quay.io/ascend/vllm-ascend:v0.11.0',
      resources: { limits: { 'huawei.com/Ascend910': 8 } },
    };
    const names = (spec: object) => expanded(engine(npu, spec)).env?.map(({ name }) => name) ?? [];
    t.ok(names({}).includes('HCCL_SOCKET_IFNAME'));
    t.notOk(names({ hostNetwork: true }).includes('HCCL_SOCKET_IFNAME'));
    t.ok(names({ hostNetwork: true }).includes('HCCL_IF_IP'));
  });
  t.test('a command that cannot be read gets no port and no probe', async (t) => {
    const { ports, startupProbe, env } = expanded(
      engine({ command: ['/start.sh'], resources: { limits: { 'nvidia.com/gpu': 1 } } }),
    );
    t.same([ports, startupProbe], [undefined, undefined]);
    t.ok(env?.some(({ name }) => name === 'POD_IP'));
  });
  t.test('MindCluster finds its pods by a label', async (t) => {
    const npu = engine({
      args: ['m'],
      image: 'quay.io/ascend/vllm-ascend:v0.11.0',
      resources: { limits: { 'huawei.com/Ascend910': 8 } },
    });
    const { metadata } = expand(npu).object.spec.template.roles[0]?.entryTemplate ?? {};
    t.same(metadata?.labels, { 'ring-controller.atlas': 'ascend-910b' });
  });
});

t.test('the terse form', async (t) => {
  const roles = '- name: prefill\n  entryTemplate: {}\n- name: decode\n  entryTemplate: {}\n';
  const terse = (annotations: Record<string, string>) => expand(servingOf(roles, annotations));

  t.test('needs the model only', async (t) => {
    const { object, problems } = terse({ 'tandem.dev/model': 'Qwen/Qwen3-0.6B' });
    t.same(problems, []);
    const [prefill] = readServing(object, profiles).roles;
    t.match(prefill?.pod, {
      engine: { profile: { name: 'vllm' } },
      devices: { profile: { name: 'nvidia' } },
      connector: { profile: { name: 'nixl' } },
    });
  });
  t.test(
    'every engine, accelerator and connector that belong together become a pair that reads back as asked',
    async (t) => {
      for (const connector of profiles.connectors) {
        const reads = connector.connectors.length > 0 || connector.backends !== undefined;
        if (!reads || (!connector.config && !connector.args)) continue;
        for (const engine of profiles.engines.filter(({ name }) => connector.engines.includes(name))) {
          const has = (name: string) => connector.images === undefined || Object.hasOwn(connector.images, name);
          const runs = profiles.accelerators.filter(({ engines }) => engines.includes(engine.name));
          for (const accelerator of runs.filter(({ name }) => has(name))) {
            const asked = [accelerator.name, engine.name, connector.name];
            const annotations = {
              model: 'a/b',
              accelerator: asked[0],
              engine: asked[1],
              connector: asked[2],
              'tensor-parallel': '2',
            };
            const { object, problems } = terse(
              Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`tandem.dev/${key}`, value ?? ''])),
            );
            t.same(problems, [], asked.join(' '));
            for (const { name, pod } of readServing(object, profiles).roles) {
              const read = [pod?.devices.profile?.name, pod?.engine.profile.name, pod?.connector?.profile?.name];
              t.same([...read, pod?.side, pod?.engine.tensorParallel, pod?.devices.count], [...asked, name, 2, 2]);
            }
          }
        }
      }
    },
  );
  t.test('sizes of both sides meet in the connector’s configuration', async (t) => {
    const sized = (name: string, tp: string) =>
      `- name: ${name}\n  entryTemplate: {metadata: {annotations: {tandem.dev/tensor-parallel: "${tp}"}}}\n`;
    const annotations = {
      'tandem.dev/model': 'a/b',
      'tandem.dev/accelerator': 'ascend-1980',
      'tandem.dev/data-parallel': '2',
    };
    const { object } = expand(servingOf(sized('prefill', '4') + sized('decode', '2'), annotations));
    const sizes = { prefill: { dp_size: 2, tp_size: 4, pp_size: 1 }, decode: { dp_size: 2, tp_size: 2, pp_size: 1 } };
    for (const { pod } of readServing(object, profiles).roles)
      t.same(pod?.connector?.config?.['kv_connector_extra_config'], sizes);
  });
  t.test('what the user’s own arguments say counts', async (t) => {
    const args = { 'tandem.dev/model': 'a/b', 'tandem.dev/engine-args': `-tp 4 --served-model-name 'x y' --port 9000` };
    const [role] = readServing(terse(args).object, profiles).roles;
    t.match(role?.pod?.engine, { tensorParallel: 4, port: 9000, servedNames: ['x y'] });
    t.equal(role?.pod?.devices.count, 4);
    t.equal(role?.pod?.container.args?.filter((word) => word === '--port').length, 1);
    t.match(role?.pod?.container.readinessProbe, { httpGet: { port: 9000 } });
  });
  t.test('a path needs no download', async (t) => {
    const [role] = readServing(terse({ 'tandem.dev/model': '/data/m' }).object, profiles).roles;
    t.equal(role?.pod?.engine.model, '/data/m');
    t.equal(role?.pod?.spec.initContainers, undefined);
  });
  t.test('a container that lacks only its arguments keeps its name and image', async (t) => {
    const bare =
      '- name: prefill\n  entryTemplate: {spec: {containers: [{name: mine, image: "vllm/vllm-openai:v0.11.2"}]}}';
    const [role] = readServing(expand(servingOf(bare, { 'tandem.dev/model': 'a/b' })).object, profiles).roles;
    t.match(role?.pod?.container, { name: 'mine', image: 'vllm/vllm-openai:v0.11.2' });
    t.equal(role?.pod?.engine.model, '/models/b');
  });
  t.test('an installation’s own images', async (t) => {
    const serving = servingOf(roles, { 'tandem.dev/model': 'a/b' });
    const own = { ...settings, images: { vllm: 'registry/vllm:1' }, downloaderImage: 'registry/loader:1' };
    const spec = entry(expandServing(serving, profiles, own).object, 'prefill');
    t.same([spec.containers[0]?.image, spec.initContainers?.[0]?.image], ['registry/vllm:1', 'registry/loader:1']);
  });

  const wrong: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ['no model', {}, /"tandem.dev\/model"\] is absent, wanted a model .*; add the annotation/],
    ['a path that climbs', { model: '../../etc' }, /"tandem.dev\/model"\] is "..\/..\/etc"/],
    [
      'an unknown engine',
      { model: 'a/b', engine: 'vlm' },
      /"tandem.dev\/engine"\] is "vlm", .*use one of sglang, vllm, vllm-ascend/,
    ],
    [
      'an engine that does not run there',
      { model: 'a/b', engine: 'vllm-ascend', accelerator: 'nvidia' },
      /an engine that runs on nvidia; use one of vllm, sglang/,
    ],
    [
      'a connector of another engine',
      { model: 'a/b', engine: 'sglang', accelerator: 'nvidia', connector: 'nixl' },
      /a connector of sglang/,
    ],
    [
      'a connector that no known image has there',
      { model: 'a/b', accelerator: 'amd', connector: 'mooncake' },
      /"tandem.dev\/connector"\] is "mooncake", wanted a connector with a known image for amd; it has one for nvidia; give each role a container with name and image only/,
    ],
    [
      'one of several accelerators',
      { model: 'a/b', engine: 'vllm-ascend' },
      /"tandem.dev\/accelerator"\] is absent, .*one of ascend-1980, ascend-310, ascend310p, ascend910/,
    ],
    [
      'a size that is no number',
      { model: 'a/b', 'tensor-parallel': 'two' },
      /"tandem.dev\/tensor-parallel"\] is "two", wanted a whole number/,
    ],
  ];
  for (const [title, said, expected] of wrong) {
    t.test(`${title} is a problem, and the serving stays as it is`, async (t) => {
      const annotations = Object.fromEntries(Object.entries(said).map(([key, value]) => [`tandem.dev/${key}`, value]));
      const { problems, patch } = terse(annotations);
      t.match(problems.map(describeExpandProblem)[0] ?? '', expected);
      t.same(patch, []);
    });
  }
});

t.test('the table of additions', async (t) => {
  const { reasons } = expand(sampleServing('npu/modelserving'));
  const table = additionTable(reasons);
  t.equal(table.total, reasons.length);
  t.same(
    table.counts.map(({ fields }) => fields).reduce((a, b) => a + b, 0),
    table.total,
  );
  t.match(
    table.rows.find(({ field }) => field === 'workerReplicas'),
    { roles: 'prefill, decode', value: '0', by: 'tandem' },
  );
  t.ok(table.rows.every(({ because }) => because.length > 10));
});

t.test('the annotation of what was added stays short', async (t) => {
  for (const name of sampleNames) {
    const text = expand(sampleServing(name)).object.metadata.annotations?.['tandem.dev/expanded'] ?? '';
    t.ok(text.length > 100 && Buffer.byteLength(text) < 4096, name);
  }
  const four = ['prefill', 'decode', 'prefill-b', 'decode-b']
    .map((role) => `- name: ${role}\n  entryTemplate: {}\n`)
    .join('');
  const serving = servingOf(four, { 'tandem.dev/model': 'a/b', 'tandem.dev/accelerator': 'ascend-1980' });
  const once = expand(serving).object;
  const note = once.metadata.annotations?.['tandem.dev/expanded'] ?? '';
  t.ok(note.length <= 4000);
  t.notMatch(note, /\d+ fields/, 'four roles that share most of it are told in full');
  t.match(Object.keys(JSON.parse(note) as object), [
    'decode,decode-b,prefill,prefill-b',
    'decode,decode-b',
    'prefill,prefill-b',
  ]);
  const again = expand({ ...once, spec: serving.spec }).object;
  t.same(again, once, 're-applying the same file gives the same object');
});

/** What becomes of the sample manifests, and how the terse ones compare with those that are written by hand. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { ModelServing } from '../../../src/api/types.js';
import { expandReport } from '../../../src/cli/expand-report.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { engineOf, entry, expand, profiles } from './packaged.js';
import { sampleNames, sampleServing } from './samples.js';

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

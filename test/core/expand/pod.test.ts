import t from 'tap';
import type { Pod } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { drainHook } from '../../../src/core/expand/drain.js';
import { expandPod } from '../../../src/core/expand/pod.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import type { Profiles } from '../../../src/core/profiles/types.js';
import { readPod } from '../../../src/core/reading/pod.js';
import { readDrainHook } from '../../build/drain-hook.js';
import { packagedProfiles, sampleServing, servingOf } from './samples.js';

const profiles = packagedProfiles();
const roleLabel = 'modelserving.volcano.sh/role';

/** A pod as a controller creates it from a role's template and as the API server defaults it. */
function podOf(serving: ModelServing, role: string, more: Record<string, string> = {}): Pod {
  const template = serving.spec.template.roles.find(({ name }) => name === role)?.entryTemplate;
  const labels = {
    [roleLabel]: role,
    'modelserving.volcano.sh/role-id': `${role}-0`,
    'modelserving.volcano.sh/entry': 'true',
    ...more,
  };
  const spec = { terminationGracePeriodSeconds: 30, schedulerName: 'volcano', containers: [], ...template?.spec };
  return { metadata: { ...template?.metadata, labels }, spec };
}

const withMode = (serving: ModelServing, mode: string): ModelServing => ({
  ...serving,
  metadata: { ...serving.metadata, annotations: { ...serving.metadata.annotations, 'tandem.dev/expand': mode } },
});
const label = (pod: Pod, key: string): string | undefined => pod.metadata.labels?.[`tandem.dev/${key}`];

t.test('a pod of either document, made by any controller', async (t) => {
  for (const [name, dialect, connector] of [
    ['gpu/modelserving', 'nixl-pull', 'nixl'],
    ['npu/modelserving', 'nixl-pull', 'mooncake-v1'],
  ] as const) {
    const serving = expandServing(sampleServing(name), profiles, settings).object;
    const [prefill, decode] = ['prefill', 'decode'].map((role) =>
      expandPod(podOf(serving, role), { profiles, settings, serving }),
    );
    if (!prefill || !decode) throw new Error('two roles');
    t.equal(label(prefill.object, 'dialect'), dialect);
    t.equal(label(prefill.object, 'connector'), connector);
    t.match(label(prefill.object, 'kv-fingerprint'), /^[0-9a-f]{16}$/);
    t.equal(
      label(prefill.object, 'kv-fingerprint'),
      label(decode.object, 'kv-fingerprint'),
      'both sides may be paired',
    );
    const hook = (pod: Pod) => readDrainHook(readPod(pod, profiles)?.container.lifecycle?.preStop);
    t.match(hook(prefill.object), {
      port: 8000,
      metricsPath: '/metrics',
      seconds: 110,
      gauges: [/running/, /waiting/, /kv_cache_usage/, /gpu_cache_usage/],
    });
    t.same(hook(decode.object)?.gauges.length, 2, 'decode waits for its requests only');
    t.same([prefill.warnings, prefill.object.spec.schedulerName], [[], 'volcano'], 'no mapping, no warning');
  }
});

t.test('what must agree is in the fingerprint, and nothing else', async (t) => {
  const print = (args: readonly string[], image = 'vllm/vllm-openai:v0.11.2') => {
    const config = '{"kv_connector":"NixlConnector","kv_role":"kv_both"}';
    const container = { name: 'e', image, args: ['m', '--kv-transfer-config', config, ...args] };
    return label(
      expandPod(
        { metadata: { labels: { [roleLabel]: 'prefill' } }, spec: { containers: [container] } },
        { profiles, settings },
      ).object,
      'kv-fingerprint',
    );
  };
  const base = print([]);
  for (const same of [
    ['--port', '9'],
    ['--enforce-eager'],
    ['-tp', '2'],
    ['--max-model-len', '100'],
    ['--dtype=auto'],
    ['--kv-cache-dtype', 'auto'],
  ])
    t.equal(print(same), base, same.join(' '));
  for (const other of [
    ['--dtype', 'float16'],
    ['--block-size=64'],
    ['--kv-cache-dtype', 'fp8'],
    ['--revision', 'x'],
    ['--model', 'n'],
  ])
    t.not(print(other), base, other.join(' '));
  t.not(print([], 'vllm/vllm-openai:v0.12.0'), base, 'the image');
});

t.test('what the pod already has stands', async (t) => {
  const serving = sampleServing('gpu/modelserving');
  const pod = podOf(serving, 'prefill', { 'tandem.dev/kv-fingerprint': 'mine' });
  const [container] = pod.spec.containers;
  const own: Pod = {
    ...pod,
    spec: {
      ...pod.spec,
      containers: [{ ...container, name: 'prefill', lifecycle: { preStop: { sleep: { seconds: 5 } } } }],
    },
  };
  const { object } = expandPod(own, { profiles, settings, serving });
  t.equal(label(object, 'kv-fingerprint'), 'mine');
  t.same(object.spec.containers[0]?.lifecycle, { preStop: { sleep: { seconds: 5 } } });
});

t.test('the grace period', async (t) => {
  const silent = sampleServing('gpu/modelserving');
  const grace = (pod: Pod, serving?: ModelServing) =>
    expandPod(pod, { profiles, settings, serving }).object.spec.terminationGracePeriodSeconds;
  t.equal(
    grace(podOf(silent, 'prefill'), silent),
    120,
    "Kubernetes' own 30 is nobody's choice when the template is silent",
  );
  t.equal(grace(podOf(silent, 'prefill')), 30, 'without the serving nobody knows, so it stands');
  const chosen = servingOf(
    '- name: prefill\n  entryTemplate: {spec: {terminationGracePeriodSeconds: 30, containers: [{name: e, image: vllm/vllm-openai, args: [m]}]}}',
  );
  t.equal(grace(podOf(chosen, 'prefill'), chosen), 30, 'a chosen 30 is a choice');
  const hook = expandPod(podOf(chosen, 'prefill'), { profiles, settings, serving: chosen }).object.spec.containers[0]
    ?.lifecycle?.preStop;
  t.equal(readDrainHook(hook)?.seconds, 20, 'the hook ends before the grace period does');
});

t.test('a scheduler that this cluster does not have is mapped, and the user is told', async (t) => {
  const mapped = { ...settings, schedulerNames: { volcano: 'default-scheduler' } };
  const nginx: Pod = {
    metadata: { labels: { [roleLabel]: 'web' } },
    spec: { schedulerName: 'volcano', containers: [{ name: 'web', image: 'nginx' }] },
  };
  for (const pod of [nginx, podOf(sampleServing('gpu/modelserving'), 'decode')]) {
    const { object, patch, warnings } = expandPod(pod, { profiles, settings: mapped });
    t.equal(object.spec.schedulerName, 'default-scheduler');
    t.match(
      patch,
      patch.map(({ path }) => (path === '/spec/schedulerName' ? { op: 'replace' } : { op: 'add' })),
    );
    t.match(warnings, [
      /^spec\.schedulerName volcano is replaced by default-scheduler, .*\(TND-114\); install volcano, or name another stand-in/,
    ]);
  }
  t.same(expandPod(nginx, { profiles, settings }).patch, [], 'without a mapping nginx is left exactly as it is');
});

t.test('a worker', async (t) => {
  const role = '- name: decode\n  workerReplicas: 2\n  entryTemplate: {}';
  const said = { 'tandem.dev/model': 'a/b', 'tandem.dev/tensor-parallel': '6', 'tandem.dev/accelerator': 'nvidia' };
  const written = withMode(servingOf(role, said), 'pods');
  const serving = expandServing(servingOf(role, said), profiles, settings).object;
  const workerOf = (owner: ModelServing): Pod => {
    const { metadata, spec } = podOf(owner, 'decode');
    const { 'modelserving.volcano.sh/entry': _, ...labels } = metadata.labels ?? {};
    return { metadata: { labels }, spec: { ...spec, ...owner.spec.template.roles[0]?.workerTemplate?.spec } };
  };
  const early = expandPod(workerOf(serving), { profiles, settings, serving }).object;
  t.test('carries no label for the router, which knows one address for each role instance', async (t) => {
    t.same([label(early, 'dialect'), label(early, 'kv-fingerprint')], [undefined, undefined]);
  });
  t.test('waits for the engine of its entry pod before it stops', async (t) => {
    t.match(readDrainHook(early.spec.containers[0]?.lifecycle?.preStop), {
      engineOf: 'entry',
      port: 8000,
      seconds: 110,
    });
  });
  t.test('has no hook when its serving is not known', async (t) => {
    const { object } = expandPod(workerOf(serving), { profiles, settings });
    t.equal(object.spec.containers[0]?.lifecycle, undefined);
  });
  t.test('is the same pod in mode pods', async (t) => {
    const late = expandPod(workerOf(written), { profiles, settings, serving: written }).object;
    t.same(late.spec, early.spec);
  });
});

t.test('mode pods', async (t) => {
  for (const name of ['gpu/modelserving', 'npu/modelserving', 'terse-gpu', 'terse-npu']) {
    const written = withMode(sampleServing(name), 'pods');
    const template = expandServing(sampleServing(name), profiles, settings).object;
    for (const role of ['prefill', 'decode']) {
      const late = expandPod(podOf(written, role), { profiles, settings, serving: written }).object;
      const early = expandPod(podOf(template, role), { profiles, settings, serving: template }).object;
      t.same(late.spec, early.spec, `${name}: the ${role} pod is the same as from an expanded template`);
    }
  }
  const off = withMode(sampleServing('terse-gpu'), 'off');
  t.same(expandPod(podOf(off, 'prefill'), { profiles, settings, serving: off }).patch, []);
});

t.test('a pinned serving', async (t) => {
  const edited: Profiles = {
    ...profiles,
    revision: 'ffffffffffff',
    engines: profiles.engines.map((engine) => ({
      ...engine,
      env: [...(engine.env ?? []), { name: 'NEW_HABIT', value: '1', because: 'a later edit' }],
    })),
  };
  const knowing: Profiles = { ...edited, earlier: new Map([[profiles.revision, profiles]]) };
  const has = (pod: Pod) => pod.spec.containers[0]?.env?.some(({ name }) => name === 'NEW_HABIT') ?? false;
  for (const mode of ['pods', 'template']) {
    const pinned = expandServing(withMode(sampleServing('terse-gpu'), mode), profiles, settings).object;
    t.test(`mode ${mode}: an edit of a profile changes neither the serving nor its next pod`, async (t) => {
      t.same(expandServing(pinned, knowing, settings).patch, []);
      const before = expandPod(podOf(pinned, 'prefill'), { profiles, settings, serving: pinned });
      const after = expandPod(podOf(pinned, 'prefill'), { profiles: knowing, settings, serving: pinned });
      t.same([after.object, after.warnings], [before.object, []]);
    });
    t.test(`mode ${mode}: applying the user's file again changes nothing`, async (t) => {
      const again = { ...pinned, spec: sampleServing('terse-gpu').spec };
      t.same(expandServing(again, knowing, settings).object, pinned);
    });
  }
  t.test('without its annotation is pinned anew', async (t) => {
    const pinned = expandServing(withMode(sampleServing('terse-gpu'), 'pods'), profiles, settings).object;
    const { 'tandem.dev/profiles': _, ...annotations } = pinned.metadata.annotations ?? {};
    const free = { ...pinned, metadata: { ...pinned.metadata, annotations } };
    const anew = expandServing(free, knowing, settings).object;
    t.match(anew.metadata.annotations?.['tandem.dev/profiles'], /@ffffffffffff$/);
    t.ok(has(expandPod(podOf(anew, 'prefill'), { profiles: knowing, settings, serving: anew }).object));
  });
  t.test('whose revision is lost gets the current profiles, and the user is told', async (t) => {
    const pinned = expandServing(withMode(sampleServing('terse-gpu'), 'pods'), profiles, settings).object;
    const { object, warnings } = expandPod(podOf(pinned, 'prefill'), { profiles: edited, settings, serving: pinned });
    t.ok(has(object));
    const told = [/^profiles f{12} are used, because qwen3-terse is pinned to [0-9a-f]{12}, .*; remove the annotation/];
    t.match(warnings, told);
    t.match(expandServing(pinned, edited, settings).warnings, told);
  });
});

t.test('the drain hook can be read back, and no other command can', async (t) => {
  const order = { engineOf: 'entry' as const, port: 1, metricsPath: '/m', seconds: 2, gauges: ['a', 'b'] };
  t.same(readDrainHook(drainHook(order)), order);
  t.equal(readDrainHook({ exec: { command: ['python3', '-c', 'print()', '1', '/m', '2', 'a'] } }), undefined);
  t.equal(readDrainHook({ sleep: { seconds: 1 } }), undefined);
  t.equal(readDrainHook(undefined), undefined);
});

import fc from 'fast-check';
import t from 'tap';
import type { Pod } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { canonicalJson, isObject } from '../../../src/base/json.js';
import { nothingKnown } from '../../../src/core/checks/context.js';
import { reviewServing } from '../../../src/core/checks/review.js';
import { expandPod } from '../../../src/core/expand/pod.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { resolvePlace } from '../../../src/core/expand/spell.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { type Recipe, terseOf } from './recipe.js';
import { recipes } from './recipe-table.js';
import { packagedProfiles, sampleNames, sampleServing, servingOf } from './samples.js';

const profiles = packagedProfiles();
type Json = Record<string, unknown>;

const several = (): ModelServing =>
  servingOf(
    '- name: prefill\n  workerReplicas: 1\n  entryTemplate: {}\n- name: decode\n  workerReplicas: 2\n  entryTemplate: {}\n',
    {
      'tandem.dev/model': 'a/b',
      'tandem.dev/accelerator': 'nvidia',
      'tandem.dev/connector': 'nixl',
      'tandem.dev/data-parallel': '6',
    },
  );
const samples: Readonly<Record<string, () => ModelServing>> = {
  ...Object.fromEntries(sampleNames.map((name) => [name, () => sampleServing(name)])),
  'roles of several pods': several,
  ...Object.fromEntries(
    ['sglang-pods', 'vllm-ascend-mooncake-v1-store', 'vllm-lmcache-pd', 'vllm-nixl-rdma', 'vllm-nixl-host-network'].map(
      (name) => [name, () => terseOf(recipes[name] as Recipe)],
    ),
  ),
};
const sample = fc.constantFrom(...Object.keys(samples)).map((name) => samples[name]?.() as ModelServing);

/** Lists whose elements have names are compared by name: another webhook may stand before or after. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) {
    const all = value.map(canonical);
    return all.every((item) => isObject(item) && keyOf(item) !== undefined)
      ? [...all].sort((a, b) => ((keyOf(a as Json) ?? '') < (keyOf(b as Json) ?? '') ? -1 : 1))
      : // An argument that is restored stands at the end.
        all.every((item) => typeof item === 'string')
        ? [...all].sort()
        : all;
  }
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, canonical(v)])) : value;
}
const keyOf = (item: Json): string | undefined =>
  ['mountPath', 'containerPort', 'name']
    .map((key) => item[key])
    .filter((key) => key !== undefined)
    .map(String)[0];
const same = (a: unknown, b: unknown) => canonicalJson(canonical(a)) === canonicalJson(canonical(b));

/** What service meshes, secret injectors, policy engines and cost tools do to a pod, each idempotent and under its own names. */
const foreign: Readonly<Record<string, (template: Json) => void>> = {
  'a label': ({ metadata }) => {
    child(metadata as Json, 'labels')['mesh.example/on'] = 'true';
  },
  'an annotation': ({ metadata }) => {
    child(metadata as Json, 'annotations')['cost.example/team'] = 'ml';
  },
  'an environment entry everywhere': ({ spec }) => {
    for (const container of list(spec as Json, 'containers'))
      put(list(container, 'env'), { name: 'TRACE', value: 'on' });
  },
  'a volume and its mount everywhere': ({ spec }) => {
    put(list(spec as Json, 'volumes'), { name: 'ca', emptyDir: {} });
    for (const container of list(spec as Json, 'containers'))
      put(list(container, 'volumeMounts'), { name: 'ca', mountPath: '/etc/ca' });
  },
  'a node selector': ({ spec }) => {
    child(spec as Json, 'nodeSelector')['pool'] = 'gpu';
  },
  'a security context': ({ spec }) => {
    child(spec as Json, 'securityContext')['fsGroup'] = 1;
  },
};
const foreignOnPods: typeof foreign = {
  ...foreign,
  'a sidecar in front': ({ spec }) => put(list(spec as Json, 'containers'), { name: 'mesh', image: 'mesh/proxy:1' }, 0),
  'a sidecar behind': ({ spec }) => put(list(spec as Json, 'containers'), { name: 'log', image: 'log/agent:1' }),
  'an init container': ({ spec }) =>
    put(list(spec as Json, 'initContainers'), { name: 'init', image: 'mesh/init:1' }, 0),
};

function child(parent: Json, key: string): Json {
  parent[key] ??= {};
  return parent[key] as Json;
}
function list(parent: Json, key: string): Json[] {
  parent[key] ??= [];
  return parent[key] as Json[];
}
const put = (all: Json[], item: Json, at = all.length) => {
  if (!all.some(({ name }) => name === item['name'])) all.splice(at, 0, item);
};
const byForeign = <T extends object>(object: T, names: readonly string[]): T => {
  const copy = structuredClone(object);
  for (const name of names) foreignOnPods[name]?.(copy as Json);
  return copy;
};

t.test('another mutating webhook before or after makes no difference', async (t) => {
  const names = Object.keys(foreignOnPods);
  const podCase = fc.record({
    serving: sample,
    mode: fc.constantFrom('template', 'pods'),
    role: fc.nat(1),
    worker: fc.boolean(),
    changes: fc.subarray(names),
  });
  t.test('to a pod; and a second call after it finds nothing to do', async () => {
    fc.assert(
      fc.property(podCase, ({ serving, mode, role, worker, changes }) => {
        const annotations = { ...serving.metadata.annotations, 'tandem.dev/expand': mode };
        const written = { ...serving, metadata: { ...serving.metadata, annotations } };
        const owner = expandServing(written, profiles, settings).object;
        const context = { profiles, settings, serving: owner };
        const pod = podOf(owner, role, worker);
        // An agent that adds to every container adds to a container of the terse form only when that is already there.
        const fair = mode === 'pods' ? changes.filter((name) => !name.endsWith('everywhere')) : changes;
        const first = expandPod(byForeign(pod, fair), context).object;
        const last = byForeign(expandPod(pod, context).object, fair);
        const again = expandPod(last, context).patch;
        if (again.length > 0) throw new Error(JSON.stringify(again));
        if (!same(first, last))
          throw new Error(`${JSON.stringify(canonical(first))}\n${JSON.stringify(canonical(last))}`);
      }),
      { numRuns: 150 },
    );
  });
  t.test('to a serving', async () => {
    fc.assert(
      fc.property(sample, fc.subarray(Object.keys(foreign)), (serving, changes) => {
        const fair = changes.filter((name) => !name.endsWith('everywhere'));
        const on = (object: ModelServing): ModelServing => {
          const copy = structuredClone(object);
          for (const role of copy.spec.template.roles as unknown as { entryTemplate: Json }[]) {
            child(role.entryTemplate, 'metadata');
            child(role.entryTemplate, 'spec');
            for (const name of fair) foreign[name]?.(role.entryTemplate);
          }
          return copy;
        };
        const first = expandServing(on(serving), profiles, settings).object;
        const last = on(expandServing(serving, profiles, settings).object);
        if (expandServing(last, profiles, settings).patch.length > 0) throw new Error('a second call found something');
        if (!same(first, last)) throw new Error(`${JSON.stringify(first)}\n${JSON.stringify(last)}`);
      }),
      { numRuns: 100 },
    );
  });
});

function podOf(owner: ModelServing, index: number, worker: boolean): Pod {
  const role = owner.spec.template.roles[index];
  const isWorker = worker && (role?.workerReplicas ?? 0) > 0;
  const template = isWorker ? role?.workerTemplate : role?.entryTemplate;
  const labels = {
    'modelserving.volcano.sh/role': role?.name ?? '',
    'modelserving.volcano.sh/role-id': `${role?.name}-0`,
    ...(isWorker ? {} : { 'modelserving.volcano.sh/entry': 'true' }),
  };
  return {
    metadata: { ...template?.metadata, labels: { ...template?.metadata?.labels, ...labels } },
    spec: { containers: [], terminationGracePeriodSeconds: 30, ...template?.spec },
  };
}

/** The note of what was added is short: above its limit it counts fields, and a count cannot be continued. */
const withoutNote = ({ metadata, ...rest }: ModelServing) => {
  const { 'tandem.dev/expanded': _, ...annotations } = metadata.annotations ?? {};
  return { ...rest, metadata: { ...metadata, annotations } };
};

t.test('whatever is taken out of a complete manifest is restored or reported', async (t) => {
  const codes = (serving: ModelServing) =>
    reviewServing(serving, { profiles, settings }, nothingKnown).map(({ code, path }) => `${code} ${path}`);
  for (const name of Object.keys(samples)) {
    const { object: complete, reasons } = expandServing(samples[name]?.() as ModelServing, profiles, settings);
    const before = new Set(codes(complete));
    t.test(name, async () => {
      fc.assert(
        fc.property(fc.subarray([...reasons], { maxLength: 6 }), (taken) => {
          const object = structuredClone(complete);
          for (const { place } of taken) remove(object, resolvePlace(object, place));
          const { object: again } = expandServing(object, profiles, settings);
          if (same(withoutNote(again), withoutNote(complete))) return;
          if (codes(object).some((code) => !before.has(code))) return;
          throw new Error(taken.map(({ role, field }) => `${role} ${field}`).join(', '));
        }),
        { numRuns: 120 },
      );
    });
  }
});

function remove(root: unknown, path: readonly (string | number)[] | undefined): void {
  if (path === undefined) return;
  const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Json)[key], root);
  const last = path.at(-1) ?? '';
  if (!Array.isArray(parent)) delete (parent as Json)[last];
  // A flag goes with its value.
  else parent.splice(Number(last), path.at(-2) === 'args' && isValue(parent[Number(last) + 1]) ? 2 : 1);
}
const isValue = (word: unknown) => typeof word === 'string' && !word.startsWith('--');

t.test('a template that is emptied is written anew', async (t) => {
  for (const name of ['terse-gpu', 'terse-npu', 'roles of several pods']) {
    const complete = expandServing(samples[name]?.() as ModelServing, profiles, settings).object;
    const emptied = structuredClone(complete);
    for (const role of emptied.spec.template.roles as unknown as Json[]) {
      delete (role['entryTemplate'] as Json)['spec'];
      delete role['workerTemplate'];
    }
    t.same(expandServing(emptied, profiles, settings).object, complete, name);
  }
});

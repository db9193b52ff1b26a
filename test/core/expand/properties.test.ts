import { createRequire } from 'node:module';
import fc from 'fast-check';
import fastJsonPatch from 'fast-json-patch';
import t from 'tap';
import type { Container } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { isObject } from '../../../src/base/json.js';
import { expandPod } from '../../../src/core/expand/pod.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { type Operation, defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { type Recipe, terseOf } from './recipe.js';
import { recipes } from './recipe-table.js';
import { packagedProfiles, sampleNames, sampleServing } from './samples.js';

const profiles = packagedProfiles();
const { apply_patch: applyOther } = createRequire(import.meta.url)('jsonpatch') as {
  apply_patch: (target: unknown, patch: unknown) => unknown;
};
const expand = (serving: ModelServing) => expandServing(serving, profiles, settings);

/** Samples, and recipes that exercise what samples do not: the host network, several pods, a store, a card. */
const starts: Readonly<Record<string, () => ModelServing>> = {
  ...Object.fromEntries(sampleNames.map((name) => [name, () => sampleServing(name)])),
  ...Object.fromEntries(
    [
      'vllm-ascend-host-network',
      'sglang-pods',
      'vllm-ascend-mooncake-v1-store',
      'vllm-lmcache-pd',
      'vllm-nixl-rdma',
    ].map((name) => [name, () => terseOf(recipes[name] as Recipe)]),
  ),
};

/** A sample with any members and list entries taken out, or made odd, below its roles. */
const serving = fc
  .record({
    name: fc.constantFrom(...Object.keys(starts)),
    cuts: fc.array(fc.record({ at: fc.nat(400), odd: fc.boolean(), value: odd() }), { maxLength: 8 }),
  })
  .map(({ name, cuts }) => {
    const object = structuredClone(starts[name]?.() as ModelServing);
    for (const { at, odd, value } of cuts)
      cut(object.spec.template.roles, at, odd ? { value: structuredClone(value) } : undefined);
    return object;
  });

function odd() {
  return fc.constantFrom<unknown>(null, 0, '', [], {}, 'x', [null], true);
}

/** Removes (or replaces) the n-th member in document order, when there are so many. */
function cut(root: unknown, n: number, instead: { value: unknown } | undefined): void {
  const places: { parent: Record<string, unknown> | unknown[]; key: string }[] = [];
  const visit = (parent: unknown): void => {
    if (!isObject(parent) && !Array.isArray(parent)) return;
    for (const [key, value] of Object.entries(parent)) {
      places.push({ parent, key });
      visit(value);
    }
  };
  visit(root);
  const place = places[n];
  if (!place || place.parent === root) return;
  const { parent, key } = place;
  if (instead) (parent as Record<string, unknown>)[key] = instead.value;
  else if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
}

/** Every member that `before` has is in `after`, with the same value; lists keep their order and may get more. */
function contains(after: unknown, before: unknown, path: string): string | undefined {
  if (before === null || before === undefined) return undefined;
  if (Array.isArray(before)) {
    if (!Array.isArray(after)) return path;
    let from = 0;
    for (const [index, item] of before.entries()) {
      const at = after.findIndex(
        (other, place) => place >= from && contains(other, item, '') === undefined && sameKind(other, item),
      );
      if (at < 0) return `${path}[${index}]`;
      from = at + 1;
    }
    return undefined;
  }
  if (!isObject(before)) return Object.is(after, before) ? undefined : path;
  if (!isObject(after)) return path;
  for (const [key, value] of Object.entries(before)) {
    const missing = contains(after[key], value, `${path}.${key}`);
    if (missing !== undefined) return missing;
  }
  return undefined;
}

const sameKind = (a: unknown, b: unknown): boolean => (b === null ? a === null : typeof a === typeof b);

const byBoth = (object: unknown, patch: readonly Operation[]) => ({
  fast: fastJsonPatch.applyPatch(structuredClone(object), structuredClone(patch) as never, true).newDocument as unknown,
  other: patch.length === 0 ? object : applyOther(structuredClone(object), structuredClone(patch)),
});

t.test('for any serving, also a broken one', async (t) => {
  t.test('expanding twice is expanding once', async () => {
    fc.assert(
      fc.property(serving, (object) => {
        const once = expand(object);
        const twice = expand(once.object);
        if (twice.patch.length > 0) throw new Error(JSON.stringify(twice.patch));
        return JSON.stringify(twice.object) === JSON.stringify(once.object);
      }),
      { numRuns: 120 },
    );
  });
  t.test('what the user wrote stands', async () => {
    fc.assert(
      fc.property(serving, (object) => {
        const missing = contains(expand(object).object, object, '');
        if (missing !== undefined) throw new Error(missing);
      }),
      { numRuns: 120 },
    );
  });
  t.test('the same input gives the same output, and is not touched', async () => {
    fc.assert(
      fc.property(serving, (object) => {
        const before = JSON.stringify(object);
        const first = JSON.stringify(expand(object));
        return JSON.stringify(object) === before && JSON.stringify(expand(structuredClone(object))) === first;
      }),
      { numRuns: 80 },
    );
  });
  t.test('both patch libraries make the object from the patch', async () => {
    fc.assert(
      fc.property(serving, (object) => {
        const { object: expanded, patch } = expand(object);
        const { fast, other } = byBoth(object, patch);
        return t.same(fast, expanded) && t.same(other, expanded);
      }),
      { numRuns: 80 },
    );
  });
  t.test('the patch only adds', async () => {
    fc.assert(
      fc.property(serving, (object) => {
        for (const { op, path } of expand(object).patch) {
          // A member that is null counts as absent, as it does for Kubernetes.
          if (op !== 'add' && fastJsonPatch.getValueByPointer(object, path) !== null) throw new Error(path);
        }
      }),
      { numRuns: 80 },
    );
  });
});

t.test('for any pod of an expanded serving', async (t) => {
  const pod = fc
    .record({ object: serving, role: fc.nat(1), mode: fc.constantFrom('template', 'pods') })
    .map(({ object, role, mode }) => {
      const template = expand(object).object.spec.template.roles[role] as {
        name?: string;
        entryTemplate?: { metadata?: object; spec?: object };
      } | null;
      const labels = { 'modelserving.volcano.sh/role': template?.name ?? '' };
      const owner = {
        ...object,
        metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, 'tandem.dev/expand': mode } },
      };
      const written = mode === 'pods' ? object.spec.template.roles[role]?.entryTemplate : template?.entryTemplate;
      const metadata = isObject(written?.metadata) ? written.metadata : {};
      const spec = isObject(written?.spec) ? written.spec : {};
      return { pod: { metadata: { ...metadata, labels }, spec: spec as never }, serving: owner };
    });
  const context = { profiles, settings: { ...settings, schedulerNames: { volcano: 'default-scheduler' } } };
  t.test('idempotent, and both patch libraries agree', async () => {
    fc.assert(
      fc.property(pod, ({ pod, serving }) => {
        const once = expandPod(pod, { ...context, serving });
        const twice = expandPod(once.object, { ...context, serving });
        const { fast, other } = byBoth(pod, once.patch);
        return t.same(twice.patch, []) && t.same(fast, once.object) && t.same(other, once.object);
      }),
      { numRuns: 80 },
    );
  });
});

t.test('both sides of a sample have one fingerprint, in template and in pods mode', async (t) => {
  for (const name of sampleNames) {
    const prints = new Set<unknown>();
    for (const mode of ['template', 'pods']) {
      const written = sampleServing(name);
      const serving = {
        ...written,
        metadata: { ...written.metadata, annotations: { ...written.metadata.annotations, 'tandem.dev/expand': mode } },
      };
      for (const role of expand(serving).object.spec.template.roles) {
        const pod = {
          metadata: { labels: { 'modelserving.volcano.sh/role': role.name } },
          spec: role.entryTemplate.spec ?? { containers: [] as Container[] },
        };
        const { object } = expandPod(pod, { profiles, settings, serving });
        prints.add(object.metadata.labels?.['tandem.dev/kv-fingerprint']);
      }
    }
    t.match([...prints], [/^[0-9a-f]{16}$/], name);
    t.equal(prints.size, 1, name);
    t.equal(readServing(sampleServing(name), profiles).roles.length, 2);
  }
});

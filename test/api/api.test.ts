import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { TSchema } from 'typebox';
import Value from 'typebox/value';
import { parse } from 'yaml';
import { customResourceDefinitions } from '../../src/api/crd.js';
import { entryPodName, levels, ordinalOf, podName, tandemKeys, topologyLabel } from '../../src/api/names.js';
import { modelRouteSpec, modelServerSpec, modelServingSpec } from '../../src/api/schema.js';

type Schema = Record<string, unknown>;

/** The user documents, as they were given: their content is fixed by these digests. */
const documents: Record<string, string> = {
  'gpu/modelserving.yaml': '4eeeb45dc0dbc1aecfde1869d25fd9d13e3e5608504062a7f59ff4ce1ba359f9',
  'gpu/modelserver.yaml': 'a3c082dce99d1459dab5208c3f05a0fd2cfa1c0cc69fbe51945368f7a5d8fdcc',
  'gpu/modelroute.yaml': '279424cb81f1803b589496e4f54f7c03df91c58d548236169b228c32afc77c0d',
  'npu/modelserving.yaml': 'da803feb98ee7b720cc584c38dd2d615ba61373b4b904ac867ed6d0e1d660bed',
  'npu/modelserver.yaml': '18ee555e902c4230358ae804b3be5b89213de01232575212a87c489bb2bbcf08',
  'npu/modelroute.yaml': 'f30013af98bff596018ae6fa53c47d4ea5328f0d2ff4d08214998e0e8edcf87c',
};

t.test('the sample documents', async (t) => {
  const specs: Record<string, TSchema> = {
    ModelServing: modelServingSpec,
    ModelServer: modelServerSpec,
    ModelRoute: modelRouteSpec,
  };
  for (const [file, digest] of Object.entries(documents)) {
    const bytes = readFileSync(`config/samples/${file}`);
    t.equal(createHash('sha256').update(bytes).digest('hex'), digest, `${file} is byte for byte what the user wrote`);
    const { kind, spec } = parse(bytes.toString()) as { kind: string; spec: unknown };
    const schema = specs[kind];
    t.ok(schema && Value.Check(schema, spec), `${file} fits the schema of ${kind}`);
  }
});

/** The rules of structural schemas: kubernetes.io, "Specifying a structural schema". */
function* breaches(schema: Schema, path: string): Iterable<string> {
  const allowed = new Set([
    'type',
    'properties',
    'additionalProperties',
    'items',
    'required',
    'enum',
    'default',
    'format',
    'pattern',
    'minimum',
    'maximum',
    'minItems',
    'maxItems',
    'minLength',
    'maxLength',
    'anyOf',
    'description',
  ]);
  for (const key of Object.keys(schema))
    if (!allowed.has(key) && !key.startsWith('x-kubernetes-')) yield `${path}: unexpected ${key}`;
  const open = schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  if (typeof schema['type'] !== 'string' && !open) yield `${path}: no type`;
  if (schema['properties'] && schema['additionalProperties']) yield `${path}: properties beside additionalProperties`;
  yield* mapKeyBreaches(schema, path);
  for (const [name, child] of Object.entries((schema['properties'] ?? {}) as Record<string, Schema>))
    yield* breaches(child, `${path}.${name}`);
  if (schema['items']) yield* breaches(schema['items'] as Schema, `${path}[]`);
  if (schema['additionalProperties']) yield* breaches(schema['additionalProperties'] as Schema, `${path}{}`);
}

function* mapKeyBreaches(schema: Schema, path: string): Iterable<string> {
  const items = (schema['items'] ?? {}) as { properties?: Record<string, Schema>; required?: string[] };
  for (const key of (schema['x-kubernetes-list-map-keys'] ?? []) as string[]) {
    const property = items.properties?.[key];
    if (!items.required?.includes(key) && property?.['default'] === undefined)
      yield `${path}: key ${key} is neither required nor defaulted`;
  }
}

t.test('each CustomResourceDefinition', async (t) => {
  for (const crd of customResourceDefinitions) {
    const { name } = crd['metadata'] as { name: string };
    const [version] = (crd['spec'] as { versions: { schema: { openAPIV3Schema: Schema }; subresources: Schema }[] })
      .versions;
    t.same([...breaches(version?.schema.openAPIV3Schema ?? {}, 'root')], [], `${name} has a structural schema`);
    t.ok(version?.subresources['status'], `${name} has a status subresource`);
    t.ok(JSON.stringify(crd).length < 262_144, `${name} fits the annotation of a client-side apply`);
  }
});

t.test('a role without workerReplicas is accepted, which Kthena refuses', async (t) => {
  t.ok(Value.Check(modelServingSpec, { template: { roles: [{ name: 'prefill', entryTemplate: {} }] } }));
});

t.test('names', async (t) => {
  const slot = { serving: 'deepseek-v2-lite', group: 0, role: 'prefill', instance: 1, index: 2 };
  t.equal(podName(slot), 'deepseek-v2-lite-0-prefill-1-2');
  t.equal(entryPodName(slot), 'deepseek-v2-lite-0-prefill-1-0');
  t.equal(ordinalOf('deepseek-v2-lite-12'), 12);
  t.equal(ordinalOf('deepseek'), undefined);
  t.same(levels.map(topologyLabel).slice(0, 3), [
    'topology.tandem.dev/node',
    'topology.tandem.dev/domain',
    'topology.tandem.dev/leaf',
  ]);
  const keys = Object.values(tandemKeys).map(({ key }) => key);
  t.equal(new Set(keys).size, keys.length, 'no key is spelled twice');
});

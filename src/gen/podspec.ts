/**
 * Makes `src/api/generated/podspec.json`: the PodSpec of Kubernetes as a structural schema, from the OpenAPI document
 * of the pinned Kubernetes module (`test/control-plane/go.mod`). Run by `make gen` when Go is at hand; the result is committed.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type Schema = Record<string, unknown>;
const prefix = '#/components/schemas/';

/** What a CustomResourceDefinition may not carry, or what only client libraries read. */
const dropped = new Set([
  'description',
  'x-kubernetes-patch-strategy',
  'x-kubernetes-patch-merge-key',
  'x-kubernetes-unions',
  'enum',
  'allOf',
  'default',
]);
const intOrString = { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true };
/** As the API server reads a Quantity inside a custom resource. */
const quantity = {
  ...intOrString,
  pattern:
    '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$',
};
const known: Record<string, Schema> = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': intOrString,
  'io.k8s.apimachinery.pkg.api.resource.Quantity': quantity,
};

function inline(schema: Schema, all: Record<string, Schema>): Schema {
  const reference = referenceOf(schema);
  if (reference !== undefined) return known[reference] ?? inline(all[reference] ?? {}, all);
  const result: Schema = {};
  for (const [key, value] of Object.entries(schema)) {
    if (dropped.has(key)) continue;
    result[key] =
      key === 'properties' ? inlineEach(value as Record<string, Schema>, all) : inlineValue(key, value, all);
  }
  return result;
}

function inlineEach(properties: Record<string, Schema>, all: Record<string, Schema>): Schema {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, inline(schema, all)]));
}

function inlineValue(key: string, value: unknown, all: Record<string, Schema>): unknown {
  return key === 'items' || key === 'additionalProperties' ? inline(value as Schema, all) : value;
}

function referenceOf(schema: Schema): string | undefined {
  const direct = schema['$ref'];
  const wrapped = (schema['allOf'] as Schema[] | undefined)?.[0]?.['$ref'];
  const text = (direct ?? wrapped) as string | undefined;
  return text?.slice(prefix.length);
}

/** Duplicate host aliases are legal (a pod may give one address to many names in several entries). */
function adjust(podSpec: Schema): Schema {
  const properties = podSpec['properties'] as Record<string, Schema>;
  const {
    'x-kubernetes-list-map-keys': _keys,
    'x-kubernetes-list-type': _type,
    ...hostAliases
  } = properties['hostAliases'] ?? {};
  properties['hostAliases'] = hostAliases;
  giveKeysDefaults(podSpec);
  // A terse role may leave out the containers: admission writes them, or refuses.
  delete podSpec['required'];
  return podSpec;
}

/** Every key of a list-map must be required or have a default; these are the defaults that Kubernetes itself applies. */
function giveKeysDefaults(schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return;
  const { items, 'x-kubernetes-list-map-keys': keys } = schema as {
    items?: Schema;
    'x-kubernetes-list-map-keys'?: string[];
  };
  if (items && keys) giveDefaults(items, keys);
  for (const child of Object.values(schema)) giveKeysDefaults(child);
}

function giveDefaults(items: Schema, keys: readonly string[]): void {
  const { required = [], properties = {} } = items as { required?: string[]; properties?: Record<string, Schema> };
  for (const key of keys) {
    const property = properties[key];
    if (property && !required.includes(key)) property['default'] = key === 'protocol' ? 'TCP' : '';
  }
}

const module = execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', 'k8s.io/kubernetes'], {
  cwd: 'test/control-plane',
  encoding: 'utf8',
}).trim();
const document = JSON.parse(readFileSync(join(module, 'api/openapi-spec/v3/api__v1_openapi.json'), 'utf8')) as {
  components: { schemas: Record<string, Schema> };
};
const all = document.components.schemas;
const result = adjust(inline(all['io.k8s.api.core.v1.PodSpec'] ?? {}, all));
writeFileSync('src/api/generated/podspec.json', `${JSON.stringify(result)}\n`);

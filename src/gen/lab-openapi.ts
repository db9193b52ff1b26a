/**
 * Makes `src/lab/apiserver/generated/builtin.json`: the built-in kinds that the lab's API server serves, with their OpenAPI
 * schemas, from the pinned Kubernetes module (`test/control-plane/go.mod`). Run by `make gen` when Go is at hand; the result is committed.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { emit } from './emit.js';

type Schema = Record<string, unknown>;
interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly singularName: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly group?: string;
  readonly version?: string;
}

/** What the lab serves: group/version to plural names, each with its subresources. */
const served: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  v1: {
    bindings: [],
    configmaps: [],
    endpoints: [],
    events: [],
    namespaces: ['status', 'finalize'],
    nodes: ['status'],
    pods: ['status', 'binding', 'eviction'],
    secrets: [],
    serviceaccounts: [],
    services: ['status'],
  },
  'apps/v1': { controllerrevisions: [] },
  'admissionregistration.k8s.io/v1': { mutatingwebhookconfigurations: [], validatingwebhookconfigurations: [] },
  'apiextensions.k8s.io/v1': { customresourcedefinitions: ['status'] },
  'authentication.k8s.io/v1': { selfsubjectreviews: [] },
  'authorization.k8s.io/v1': { selfsubjectaccessreviews: [], selfsubjectrulesreviews: [] },
  'coordination.k8s.io/v1': { leases: [] },
  'discovery.k8s.io/v1': { endpointslices: [] },
  'events.k8s.io/v1': { events: [] },
  'policy/v1': { poddisruptionbudgets: ['status'] },
};

const prefix = '#/components/schemas/';
const longestDescription = 160;
const directory = execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', 'k8s.io/kubernetes'], {
  cwd: 'test/control-plane',
  encoding: 'utf8',
}).trim();

const read = (path: string): unknown => JSON.parse(readFileSync(join(directory, 'api', path), 'utf8'));
const fileOf = (groupVersion: string): string =>
  groupVersion === 'v1' ? 'api__v1' : `apis__${groupVersion.replace('/', '__')}`;

/** Keeps the first sentences of a description: enough for `kubectl explain`. */
function shorten(text: string): string {
  const line = text.split('\n')[0] ?? '';
  if (line.length <= longestDescription) return line;
  const sentence = line.slice(0, longestDescription).lastIndexOf('. ');
  return sentence > 40
    ? line.slice(0, sentence + 1)
    : `${line.slice(0, line.lastIndexOf(' ', longestDescription))} ...`;
}

function compact(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => compact(item));
  if (typeof value !== 'object' || value === null) {
    return key === 'description' && typeof value === 'string' ? shorten(value) : value;
  }
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, compact(item, name)]));
}

function references(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === '$ref' && typeof item === 'string' ? [item.slice(prefix.length)] : references(item),
  );
}

/** DeleteOptions and WatchEvent are tagged with every group of Kubernetes; the lab's documents need the tag of none. */
function tagsOf(schema: Schema, groupVersion: string): unknown {
  const tags = schema['x-kubernetes-group-version-kind'] as { group: string; version: string; kind: string }[];
  return tags.filter(({ group, version }) => groupVersion === (group === '' ? version : `${group}/${version}`));
}

const schemas: Record<string, Schema> = {};
const resources: unknown[] = [];
for (const [groupVersion, plurals] of Object.entries(served)) {
  const document = read(`openapi-spec/v3/${fileOf(groupVersion)}_openapi.json`) as {
    components: { schemas: Record<string, Schema> };
  };
  const all = document.components.schemas;
  const list = read(`discovery/${fileOf(groupVersion)}.json`) as { resources: ApiResource[] };
  const take = (name: string): void => {
    const schema = all[name];
    if (schemas[name] !== undefined || schema === undefined) return;
    schemas[name] = compact(schema) as Schema;
    if (Array.isArray(schema['x-kubernetes-group-version-kind'])) {
      schemas[name]['x-kubernetes-group-version-kind'] = tagsOf(schema, groupVersion);
    }
    for (const reference of references(schema)) take(reference);
  };
  const [group = '', version = ''] = groupVersion.includes('/') ? groupVersion.split('/') : ['', groupVersion];
  for (const [plural, subresources] of Object.entries(plurals)) {
    const resource = list.resources.find(({ name }) => name === plural);
    if (resource === undefined) throw new Error(`${groupVersion} has no ${plural}: correct the list in lab-openapi.ts`);
    const schema = Object.keys(all).find((name) =>
      (all[name]?.['x-kubernetes-group-version-kind'] as { group: string; version: string; kind: string }[])?.some(
        (tag) => tag.group === group && tag.version === version && tag.kind === resource.kind,
      ),
    );
    if (schema === undefined) throw new Error(`no schema for ${groupVersion} ${resource.kind}`);
    take(schema);
    resources.push({
      group,
      version,
      plural,
      kind: resource.kind,
      singular: resource.singularName,
      namespaced: resource.namespaced,
      shortNames: resource.shortNames ?? [],
      categories: resource.categories ?? [],
      verbs: resource.verbs,
      subresources: list.resources
        .filter(({ name }) => subresources.some((sub) => name === `${plural}/${sub}`))
        .map((sub) => ({
          name: sub.name.slice(plural.length + 1),
          kind: sub.kind,
          verbs: sub.verbs,
          ...(sub.group === undefined ? {} : { group: sub.group, version: sub.version }),
        })),
      schema,
    });
  }
  for (const extra of ['DeleteOptions', 'APIResourceList', 'Status', 'Patch']) {
    take(`io.k8s.apimachinery.pkg.apis.meta.v1.${extra}`);
  }
  if (groupVersion === 'policy/v1') take('io.k8s.api.policy.v1.Eviction');
}

/** Names that Kubernetes serves and the lab does not: they answer 501 with their name instead of 404. */
const groups = read('discovery/aggregated_v2.json') as {
  items: { metadata: { name?: string }; versions: { version: string; resources: { resource: string }[] }[] }[];
};
const core = (read('discovery/api__v1.json') as { resources: ApiResource[] }).resources.map(({ name }) => `v1/${name}`);
const known = groups.items.flatMap(({ metadata, versions }) =>
  versions.flatMap(({ version, resources: names }) =>
    names.map(({ resource }) => `${metadata.name}/${version}/${resource}`),
  ),
);
const isServed = (path: string): boolean => {
  const cut = path.lastIndexOf('/');
  return served[path.slice(0, cut)]?.[path.slice(cut + 1)] !== undefined;
};
const notServed = [...core.filter((name) => !/\/.*\//.test(name)), ...known].filter((path) => !isServed(path)).sort();
const sorted = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
const version = /@(v[\d.]+)$/.exec(directory)?.[1];
emit(
  'src/lab/apiserver/generated/builtin.json',
  `{"version":${JSON.stringify(version)},\n"resources":[\n${resources.map((item) => JSON.stringify(item)).join(',\n')}\n],\n"notServed":${JSON.stringify(notServed)},\n"schemas":{\n${Object.entries(
    sorted,
  )
    .map(([name, schema]) => `${JSON.stringify(name)}:${JSON.stringify(schema)}`)
    .join(',\n')}\n}}\n`,
);

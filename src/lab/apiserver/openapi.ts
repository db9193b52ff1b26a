/** OpenAPI v3: one document per group and version, with the schemas and the few facts about paths that kubectl reads. */
import { createHash } from 'node:crypto';
import { builtinComponents, kubernetesVersion, metaReference } from './builtin.js';
import { type Dict, isDict } from './object.js';
import type { Registry } from './registry.js';
import { groupVersionOf, type ResourceType } from './resource-type.js';

const prefix = '#/components/schemas/';

/** `/openapi/v3`: where each document is, with a hash so that clients can keep it. */
export function openapiIndex(registry: Registry) {
  const paths: Record<string, { serverRelativeURL: string }> = {};
  for (const [group, versions] of registry.groups()) {
    for (const version of versions) {
      const path = documentPath(group, version);
      const hash = createHash('sha256').update(`${kubernetesVersion} ${registry.generation} ${path}`).digest('hex');
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash.slice(0, 32).toUpperCase()}` };
    }
  }
  return { paths };
}

const documentPath = (group: string, version: string): string =>
  group === '' ? `api/${version}` : `apis/${group}/${version}`;

/** The document of a group and version, by the path in the index; undefined when it is not served. */
export function openapiDocument(registry: Registry, path: string) {
  const parts = path.split('/');
  const [group = '', version = ''] = parts[0] === 'api' ? ['', parts[1]] : [parts[1], parts[2]];
  const types = registry.in({ group, version });
  if (types.length === 0) return undefined;
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: kubernetesVersion },
    paths: Object.fromEntries(types.flatMap(pathsOf)),
    components: { schemas: schemasOf(types) },
  };
}

function schemasOf(types: readonly ResourceType[]): Dict {
  const schemas: Dict = {};
  const take = (name: string): void => {
    if (schemas[name] !== undefined || builtinComponents[name] === undefined) return;
    schemas[name] = builtinComponents[name];
    for (const reference of references(builtinComponents[name])) take(reference);
  };
  for (const type of types) {
    if (type.custom) schemas[schemaName(type)] = customSchema(type);
    for (const reference of type.custom ? references(metaReference) : [builtinName(type)]) take(reference);
  }
  for (const name of ['DeleteOptions', 'Patch']) take(`io.k8s.apimachinery.pkg.apis.meta.v1.${name}`);
  return schemas;
}

function references(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (!isDict(value)) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === '$ref' && typeof item === 'string' ? [item.slice(prefix.length)] : references(item),
  );
}

function builtinName({ group, version, kind }: ResourceType): string {
  const found = Object.entries(builtinComponents).find(([, schema]) =>
    schema['x-kubernetes-group-version-kind']?.some(
      (tag) => tag.group === group && tag.version === version && tag.kind === kind,
    ),
  );
  return found?.[0] ?? '';
}

const schemaName = (type: ResourceType): string =>
  type.custom ? [...type.group.split('.').reverse(), type.version, type.kind].join('.') : builtinName(type);

function customSchema(type: ResourceType): Dict {
  const { group, version, kind } = type;
  const text = { type: 'string' };
  return {
    ...type.schema,
    type: 'object',
    properties: {
      ...type.schema.properties,
      apiVersion: { ...text, ...type.schema.properties?.['apiVersion'] },
      kind: { ...text, ...type.schema.properties?.['kind'] },
      metadata: { allOf: [metaReference], description: 'Standard object metadata.' },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  };
}

/** The paths of one kind. kubectl looks for the patch operation's parameters and for the kind that a path serves. */
function pathsOf(type: ResourceType): [string, Dict][] {
  const { group, version, kind } = type;
  const root = group === '' ? `/api/${version}` : `/apis/${groupVersionOf(type)}`;
  const collection = `${root}${type.namespaced ? '/namespaces/{namespace}' : ''}/${type.plural}`;
  const operation = (action: string) => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group, version, kind },
    parameters: ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({
      name,
      in: 'query',
      schema: { type: 'string' },
    })),
    responses: {
      200: { description: 'OK', content: { 'application/json': { schema: { $ref: `${prefix}${schemaName(type)}` } } } },
    },
  });
  if (type.strategy.virtual === true) return [[collection, { post: operation('post') }]];
  return [
    [collection, { get: operation('list'), post: operation('post') }],
    [
      `${collection}/{name}`,
      { get: operation('get'), put: operation('put'), patch: operation('patch'), delete: operation('delete') },
    ],
  ];
}

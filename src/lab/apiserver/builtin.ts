/** The built-in kinds that the lab serves, from Kubernetes' own OpenAPI (`src/gen/lab-openapi.ts`). */
import generated from './generated/builtin.json' with { type: 'json' };
import { type Components, type Schema, SchemaReader } from './schema.js';

export interface BuiltinSubresource {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

export interface BuiltinResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly BuiltinSubresource[];
  /** Name of its schema among the components. */
  readonly schema: string;
}

export const kubernetesVersion: string = generated.version;
export const builtinResources = generated.resources as readonly BuiltinResource[];
export const builtinComponents = generated.schemas as unknown as Components;
export const builtinSchemas = new SchemaReader(builtinComponents);

const metaName = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
export const metaSchema: Schema = builtinSchemas.named(metaName);
export const metaReference = { $ref: `#/components/schemas/${metaName}` };

const absent = new Set<string>(generated.notServed);

/** The name of a resource that Kubernetes serves and the lab does not; undefined for any other path. */
export function notServed(group: string, version: string, plural: string): string | undefined {
  const path = group === '' ? `${version}/${plural}` : `${group}/${version}/${plural}`;
  return absent.has(path) ? path : undefined;
}

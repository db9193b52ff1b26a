/** OpenAPI v3 schemas as Kubernetes uses them, for built-in kinds (with references) and for CRDs (structural, without). */
import { isDict } from './object.js';

export interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly nullable?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular';
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[];
  readonly 'x-kubernetes-patch-strategy'?: string;
  readonly 'x-kubernetes-patch-merge-key'?: string;
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[];
}

const prefix = '#/components/schemas/';

/** Follows references; a schema that only wraps one (`allOf` of length one) keeps its own patch and list marks. */
export class SchemaReader {
  readonly #components: Readonly<Record<string, Schema>>;
  readonly #resolved = new WeakMap<Schema, Schema>();

  constructor(components: Readonly<Record<string, Schema>>) {
    this.#components = components;
  }

  named(name: string): Schema {
    return this.#components[name] ?? {};
  }

  resolve(schema: Schema): Schema {
    const wrapped = schema.$ref ?? (schema.type === undefined ? schema.allOf?.[0]?.$ref : undefined);
    if (wrapped === undefined) return schema;
    const known = this.#resolved.get(schema);
    if (known !== undefined) return known;
    const { $ref: _ref, allOf: _allOf, ...own } = schema;
    const merged = { ...this.named(wrapped.slice(prefix.length)), ...own };
    this.#resolved.set(schema, merged);
    return merged;
  }

  /** Schema of a member; undefined when the schema does not know it. */
  member(schema: Schema, name: string): Schema | undefined {
    const property = schema.properties?.[name];
    if (property !== undefined) return this.resolve(property);
    if (isDict(schema.additionalProperties)) return this.resolve(schema.additionalProperties as Schema);
    return undefined;
  }

  items(schema: Schema): Schema | undefined {
    return schema.items === undefined ? undefined : this.resolve(schema.items);
  }
}

/** True where the schema says nothing about the content: kept as it came. */
export const isOpen = (schema: Schema): boolean =>
  schema['x-kubernetes-preserve-unknown-fields'] === true ||
  (schema.properties === undefined && !schema.additionalProperties && schema.items === undefined);

export const isIntOrString = (schema: Schema): boolean =>
  schema['x-kubernetes-int-or-string'] === true || schema.format === 'int-or-string';

/** The keys that tell the items of a `map` list apart; undefined for every other list. */
export function listMapKeys(schema: Schema): readonly string[] | undefined {
  return schema['x-kubernetes-list-type'] === 'map' ? (schema['x-kubernetes-list-map-keys'] ?? []) : undefined;
}

export const memberPath = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/** The property names of a schema with what a structural schema always knows at its root. */
export const rootMembers = new Set(['apiVersion', 'kind', 'metadata']);

export type Components = Readonly<Record<string, Schema>>;

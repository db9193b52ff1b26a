/** How a value is divided into fields that can have different owners: structured-merge-diff's typed values, from OpenAPI. */
import { metaSchema } from '../builtin.js';
import { type Dict, dictOf, isDict } from '../object.js';
import type { ResourceType } from '../resource-type.js';
import { isOpen, listMapKeys, type Schema, type SchemaReader } from '../schema.js';

/** `leaf`: one owner for all of it. `struct` and `map`: by member. `keyed`: a list by keys. `set`: a list by value. */
export type Division = 'leaf' | 'struct' | 'map' | 'keyed' | 'set';

export class Typed {
  readonly #reader: SchemaReader;
  readonly #custom: boolean;
  readonly root: Schema;

  constructor({ reader, schema, custom }: ResourceType) {
    this.#reader = reader;
    this.#custom = custom;
    this.root = { ...schema, properties: { ...schema.properties, metadata: metaSchema } };
  }

  division(schema: Schema | undefined, value: unknown): Division {
    if (Array.isArray(value)) return this.#listDivision(schema);
    if (!isDict(value)) return 'leaf';
    // Without a schema, a custom resource's objects are still divided by member.
    if (schema === undefined) return this.#custom ? 'map' : 'leaf';
    if (schema['x-kubernetes-map-type'] === 'atomic') return 'leaf';
    if (schema.properties !== undefined) return 'struct';
    if (schema.additionalProperties) return 'map';
    return isOpen(schema) && !this.#custom ? 'leaf' : 'map';
  }

  #listDivision(schema: Schema | undefined): Division {
    const type = schema?.['x-kubernetes-list-type'];
    if (type === 'set') return 'set';
    return type === 'map' ? 'keyed' : 'leaf';
  }

  member(schema: Schema | undefined, name: string): Schema | undefined {
    if (schema === undefined) return undefined;
    // The metadata of custom resources is that of every object, and it alone has references.
    return this.#reader.member(schema, name);
  }

  isStructField(schema: Schema | undefined, name: string): boolean {
    return schema?.properties?.[name] !== undefined;
  }

  items(schema: Schema | undefined): Schema | undefined {
    return schema === undefined ? undefined : this.#reader.items(schema);
  }

  /** The key of a list item inside a field set: `k:{"name":"c"}` or `v:"text"`. */
  itemKey(schema: Schema | undefined, division: Division, item: unknown): string {
    if (division === 'set' || schema === undefined) return `v:${JSON.stringify(item)}`;
    const properties = this.items(schema)?.properties;
    const named = dictOf(item);
    const keys = [...(listMapKeys(schema) ?? [])].sort();
    const pairs = keys.map((key) => [key, named[key] ?? properties?.[key]?.default] as const);
    return `k:${JSON.stringify(Object.fromEntries(pairs.filter(([, value]) => value !== undefined)))}`;
  }

  /** The parts of a divided value by their key, each with its schema; undefined for a leaf. */
  parts(schema: Schema | undefined, value: unknown): Map<string, Part> | undefined {
    const division = this.division(schema, value);
    if (division === 'leaf') return undefined;
    if (Array.isArray(value)) {
      const items = this.items(schema);
      return new Map(
        value.map((item) => [
          this.itemKey(schema, division, item),
          { value: item as unknown, schema: items, isItem: true },
        ]),
      );
    }
    const members = Object.entries(value as Dict).filter(([, item]) => item !== undefined);
    return new Map(
      members.map(([name, item]) => [
        `f:${name}`,
        { value: item, schema: this.member(schema, name), isItem: !this.isStructField(schema, name) },
      ]),
    );
  }
}

export interface Part {
  readonly value: unknown;
  readonly schema: Schema | undefined;
  /** True for list items and for members that the schema does not name: they are fields of their own. */
  readonly isItem: boolean;
}

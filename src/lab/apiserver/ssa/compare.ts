/** The fields that an object names, and the fields in which two objects differ. */
import { isDict, same } from '../object.js';
import type { Schema } from '../schema.js';
import { empty, type FieldSet, leaf, node, union } from './field-set.js';
import type { Part, Typed } from './typed.js';

/** The fields that an applied configuration names. */
export function fieldsOf(typed: Typed, schema: Schema | undefined, value: unknown): FieldSet {
  const parts = typed.parts(schema, value);
  if (parts === undefined) return leaf;
  return node(
    false,
    [...parts].map(([key, part]) => {
      const below = fieldsOf(typed, part.schema, part.value);
      const isBare = part.value === null || (isDict(part.value) && Object.keys(part.value).length === 0);
      return [key, part.isItem || isBare ? { ...below, member: true } : below] as const;
    }),
  );
}

export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

const nothing: Comparison = { added: empty, modified: empty, removed: empty };

/** Compares two values; undefined stands for an absent one. */
export function compare(typed: Typed, schema: Schema | undefined, before: unknown, after: unknown): Comparison {
  const old = partsOf(typed, schema, before);
  const now = partsOf(typed, schema, after);
  if (old === undefined || now === undefined || old.size + now.size === 0) return compareLeaf(before, after);
  const inner = [...new Set([...old.keys(), ...now.keys()])].map((key) => {
    const [was, is] = [old.get(key), now.get(key)];
    return [key, compare(typed, (is ?? was)?.schema, was?.value, is?.value)] as const;
  });
  const collect = (pick: keyof Comparison, member: boolean) =>
    node(
      member,
      inner.map(([key, found]) => [key, found[pick]] as const),
    );
  return {
    added: collect('added', before === undefined),
    modified: collect('modified', false),
    removed: collect('removed', after === undefined),
  };
}

/** The parts of a value that can be divided; an absent one has none. */
function partsOf(typed: Typed, schema: Schema | undefined, value: unknown): Map<string, Part> | undefined {
  return value === undefined ? new Map() : typed.parts(schema, value);
}

function compareLeaf(before: unknown, after: unknown): Comparison {
  if (before === undefined && after === undefined) return nothing;
  if (before === undefined) return { ...nothing, added: leaf };
  if (after === undefined) return { ...nothing, removed: leaf };
  return same(before, after) ? nothing : { ...nothing, modified: leaf };
}

export const changed = ({ added, modified }: Comparison): FieldSet => union(added, modified);

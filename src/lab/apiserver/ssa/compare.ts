/** The fields that an object names, and the fields in which two objects differ. */
import { isDict, same } from '../object.js';
import type { Schema } from '../schema.js';
import { empty, type FieldSet, leaf, node, union } from './field-set.js';
import type { Typed } from './typed.js';

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
  if (before === undefined && after === undefined) return nothing;
  const [old, now] = [before, after].map((value) => (value === undefined ? undefined : typed.parts(schema, value)));
  const isDivided = (old ?? now) !== undefined && (before === undefined || old) && (after === undefined || now);
  if (!isDivided || ((old?.size ?? 0) === 0 && (now?.size ?? 0) === 0)) return compareLeaf(before, after);
  const keys = new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])]);
  const inner = [...keys].map((key) => {
    const [was, is] = [old?.get(key), now?.get(key)];
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

function compareLeaf(before: unknown, after: unknown): Comparison {
  if (before === undefined) return { ...nothing, added: leaf };
  if (after === undefined) return { ...nothing, removed: leaf };
  return same(before, after) ? nothing : { ...nothing, modified: leaf };
}

export const changed = ({ added, modified }: Comparison): FieldSet => union(added, modified);

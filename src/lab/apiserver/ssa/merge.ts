/** Merging an applied configuration into the live object, and taking away what its manager applied before and no longer does. */
import { type Dict, isDict } from '../object.js';
import type { Schema } from '../schema.js';
import { empty, type FieldSet } from './field-set.js';
import type { Typed } from './typed.js';

/** The configuration wins where it says something; the rest stays as it is live. */
export function mergeApplied(typed: Typed, schema: Schema | undefined, live: unknown, config: unknown): unknown {
  if (live === undefined || config === null) return config;
  const division = typed.division(schema, config);
  if (division === 'leaf' || typed.division(schema, live) === 'leaf') return config;
  if (Array.isArray(config))
    return Array.isArray(live) ? mergeLists(typed, schema, live as unknown[], config as unknown[]) : config;
  const merged: Dict = { ...(live as Dict) };
  for (const [name, value] of Object.entries(config as Dict)) {
    merged[name] = mergeApplied(typed, typed.member(schema, name), merged[name], value);
  }
  return merged;
}

/** The configuration's order, with what only the live list has kept at its place. */
function mergeLists(
  typed: Typed,
  schema: Schema | undefined,
  live: readonly unknown[],
  config: readonly unknown[],
): unknown[] {
  const division = typed.division(schema, config);
  const keyOf = (item: unknown) => typed.itemKey(schema, division, item);
  const applied = new Set(config.map(keyOf));
  const existing = new Map(live.map((item) => [keyOf(item), item]));
  const result: unknown[] = [];
  const done = new Set<string>();
  const waiting = [...config];
  const take = (item: unknown) => {
    result.push(mergeApplied(typed, typed.items(schema), existing.get(keyOf(item)), item));
    done.add(keyOf(item));
  };
  for (const item of live) {
    const key = keyOf(item);
    if (!applied.has(key)) result.push(item);
    else {
      // Everything that the configuration puts before this item goes before it.
      while (!done.has(key)) take(waiting.shift());
    }
  }
  for (const item of waiting) take(item);
  return result;
}

/** Removes each field of `last` that nobody in `owned` has any more, with all that is below it. */
export function pruneApplied(
  typed: Typed,
  schema: Schema | undefined,
  value: unknown,
  last: FieldSet,
  owned: FieldSet,
): unknown {
  const division = typed.division(schema, value);
  if (division === 'leaf') return value;
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown) => {
      const key = typed.itemKey(schema, division, item);
      const below = last.children.get(key);
      if (below === undefined) return [item];
      const kept = owned.children.get(key);
      return kept === undefined ? [] : [pruneApplied(typed, typed.items(schema), item, below, kept)];
    });
  }
  if (!isDict(value)) return value;
  const result: Dict = {};
  for (const [name, item] of Object.entries(value)) {
    const below = last.children.get(`f:${name}`);
    const kept = owned.children.get(`f:${name}`);
    if (below === undefined) result[name] = item;
    else if (kept !== undefined)
      result[name] = pruneApplied(typed, typed.member(schema, name), item, below, kept ?? empty);
  }
  return result;
}

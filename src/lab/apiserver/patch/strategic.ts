/**
 * Strategic merge patch for built-in kinds: lists merge by the keys that OpenAPI names (`x-kubernetes-patch-merge-key`),
 * `$patch`, `$deleteFromPrimitiveList`, `$setElementOrder` and `$retainKeys` as apimachinery `strategicpatch` reads them.
 */
import { type Dict, isDict, same } from '../object.js';
import type { Schema, SchemaReader } from '../schema.js';
import { badRequest } from '../status.js';

const directive = '$patch';
const deleteFrom = '$deleteFromPrimitiveList/';
const setOrder = '$setElementOrder/';
const retainKeys = '$retainKeys';

export function strategicPatch(reader: SchemaReader, schema: Schema, target: Dict, patch: unknown): Dict {
  if (!isDict(patch)) throw badRequest('a strategic merge patch is a JSON object');
  return new Merge(reader).object(schema, target, patch) ?? {};
}

class Merge {
  readonly #reader: SchemaReader;

  constructor(reader: SchemaReader) {
    this.#reader = reader;
  }

  /** Undefined when the patch deletes the object. */
  object(schema: Schema | undefined, target: Dict, patch: Dict): Dict | undefined {
    if (patch[directive] === 'delete') return undefined;
    if (patch[directive] === 'replace') return stripped(patch);
    const result = retained(target, patch);
    for (const [key, value] of Object.entries(patch)) {
      if (key.startsWith(deleteFrom)) removePrimitives(result, key.slice(deleteFrom.length), value);
      else if (!key.startsWith('$')) this.#set(schema, result, key, value);
    }
    for (const [key, order] of Object.entries(patch)) {
      const list = key.slice(setOrder.length);
      if (key.startsWith(setOrder)) this.#reorder(schema, result, list, order, target[list]);
    }
    return result;
  }

  #set(schema: Schema | undefined, result: Dict, key: string, value: unknown): void {
    const merged = value === null ? undefined : this.#member(schema, key, result[key], value);
    if (merged === undefined) delete result[key];
    else result[key] = merged;
  }

  #member(schema: Schema | undefined, key: string, current: unknown, value: unknown): unknown {
    const member = schema === undefined ? undefined : this.#reader.member(schema, key);
    const strategies = strategiesOf(schema, key, member);
    if (isDict(value)) {
      if (strategies.includes('replace')) return stripped(value);
      return this.object(member, isDict(current) ? current : {}, value);
    }
    if (!Array.isArray(value)) return value;
    if (!strategies.includes('merge')) return value.filter((item) => !isReplaceMark(item));
    return this.#list(member, mergeKeyOf(schema, key, member), Array.isArray(current) ? current : [], value);
  }

  #list(
    list: Schema | undefined,
    mergeKey: string | undefined,
    current: readonly unknown[],
    patch: readonly unknown[],
  ): unknown[] {
    if (patch.some(isReplaceMark)) return patch.filter((item) => !isReplaceMark(item));
    if (mergeKey === undefined)
      return [...current, ...patch.filter((item) => !current.some((held) => same(held, item)))];
    const items = list === undefined ? undefined : this.#reader.items(list);
    let result = [...current];
    for (const item of patch) {
      if (!isDict(item)) throw badRequest(`items of a list merged by ${mergeKey} must be objects`);
      const identity = item[mergeKey];
      if (identity === undefined)
        throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
      const isSame = (held: unknown) => isDict(held) && same(held[mergeKey], identity);
      if (item[directive] === 'delete') {
        result = result.filter((held) => !isSame(held));
        continue;
      }
      const index = result.findIndex(isSame);
      const merged = this.object(items, index < 0 ? {} : (result[index] as Dict), item);
      if (index < 0) result.push(merged);
      else result[index] = merged;
    }
    return arranged(result, patch, current, mergeKey);
  }

  #reorder(schema: Schema | undefined, result: Dict, key: string, order: unknown, live: unknown): void {
    const list = result[key];
    if (!Array.isArray(list) || !Array.isArray(order)) return;
    const member = schema === undefined ? undefined : this.#reader.member(schema, key);
    const mergeKey = mergeKeyOf(schema, key, member);
    result[key] = arranged(list, order, Array.isArray(live) ? live : [], mergeKey);
  }
}

/** The patch's items in the patch's order, the others in the live order, the two interleaved by the live order. */
function arranged(
  merged: readonly unknown[],
  order: readonly unknown[],
  live: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const rank = (list: readonly unknown[], item: unknown) => list.findIndex((other) => sameItem(other, item, mergeKey));
  const named = merged.filter((item) => rank(order, item) >= 0).sort((a, b) => rank(order, a) - rank(order, b));
  const others = merged.filter((item) => rank(order, item) < 0);
  const result: unknown[] = [];
  while (named.length > 0 && others.length > 0) {
    const [left, right] = [rank(live, others[0]), rank(live, named[0])];
    const isOther = left >= 0 && right >= 0 && left < right;
    result.push(isOther ? others.shift() : named.shift());
  }
  return [...result, ...named, ...others];
}

const sameItem = (wanted: unknown, item: unknown, mergeKey: string | undefined): boolean =>
  mergeKey !== undefined && isDict(wanted) && isDict(item)
    ? same(wanted[mergeKey], item[mergeKey])
    : same(wanted, item);

const isReplaceMark = (item: unknown): boolean =>
  isDict(item) && item[directive] === 'replace' && Object.keys(item).length === 1;

function strategiesOf(schema: Schema | undefined, key: string, member: Schema | undefined): string[] {
  const marked = schema?.properties?.[key]?.['x-kubernetes-patch-strategy'] ?? member?.['x-kubernetes-patch-strategy'];
  return marked?.split(',') ?? [];
}

const mergeKeyOf = (schema: Schema | undefined, key: string, member: Schema | undefined): string | undefined =>
  schema?.properties?.[key]?.['x-kubernetes-patch-merge-key'] ?? member?.['x-kubernetes-patch-merge-key'];

function retained(target: Dict, patch: Dict): Dict {
  const keep = patch[retainKeys];
  if (!Array.isArray(keep)) return { ...target };
  return Object.fromEntries(Object.entries(target).filter(([key]) => keep.includes(key)));
}

function removePrimitives(result: Dict, key: string, values: unknown): void {
  const list = result[key];
  if (!Array.isArray(list) || !Array.isArray(values)) return;
  result[key] = list.filter((item) => !values.some((value) => same(value, item)));
}

function stripped(patch: Dict): Dict {
  return Object.fromEntries(Object.entries(patch).filter(([key]) => !key.startsWith('$')));
}

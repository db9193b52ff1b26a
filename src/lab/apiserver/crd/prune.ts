/** Drops what a structural schema does not specify, and names it. apiextensions `schema/pruning`. */
import { type Dict, isDict } from '../object.js';
import { memberPath, rootMembers, type Schema } from '../schema.js';

/** A pruned copy of a custom resource; dropped paths are added to `unknown`. `metadata` is left alone. */
export function prune(schema: Schema, object: Dict, unknown: string[]): Dict {
  return pruneObject(schema, object, '', unknown, true);
}

function pruneValue(schema: Schema, value: unknown, path: string, unknown: string[]): unknown {
  if (Array.isArray(value)) {
    const items = schema.items;
    if (items === undefined) return value;
    return value.map((item, index) => pruneValue(items, item, `${path}[${index}]`, unknown));
  }
  if (!isDict(value)) return value;
  return pruneObject(schema, value, path, unknown, schema['x-kubernetes-embedded-resource'] === true);
}

function pruneObject(schema: Schema, value: Dict, path: string, unknown: string[], isResource: boolean): Dict {
  const keeps = schema['x-kubernetes-preserve-unknown-fields'] === true;
  const result: Dict = {};
  for (const [name, item] of Object.entries(value)) {
    const at = memberPath(path, name);
    const member = memberOf(schema, name);
    if (isResource && rootMembers.has(name)) result[name] = item;
    else if (member !== undefined) result[name] = pruneValue(member, item, at, unknown);
    else if (keeps || schema.additionalProperties === true) result[name] = item;
    else unknown.push(at);
  }
  return result;
}

/** Schema of a member, by name or as one of the others. */
export function memberOf(schema: Schema, name: string): Schema | undefined {
  const property = schema.properties?.[name];
  if (property !== undefined) return property;
  return isDict(schema.additionalProperties) ? (schema.additionalProperties as Schema) : undefined;
}

/** Defaults of custom resources: apiextensions `schema/defaulting`. Nulls that may not be null count as absent. */
import { type Dict, isDict } from '../object.js';
import type { Schema } from '../schema.js';

/** Fills in defaults and drops nulls that are not allowed; edits its argument. */
export function fillDefaults(schema: Schema, value: unknown): void {
  if (Array.isArray(value)) {
    if (schema.items !== undefined) for (const item of value) fillDefaults(schema.items, item);
    return;
  }
  if (!isDict(value)) return;
  for (const [name, property] of Object.entries(schema.properties ?? {})) fillProperty(value, name, property);
  for (const [name, item] of Object.entries(value)) fillMember(schema, value, name, item);
}

function fillProperty(value: Dict, name: string, property: Schema): void {
  const isBadNull = value[name] === null && property.nullable !== true;
  if (value[name] !== undefined && !isBadNull) return;
  if (property.default !== undefined) value[name] = structuredClone(property.default);
  else delete value[name];
}

function fillMember(schema: Schema, holder: Dict, name: string, item: unknown): void {
  const property = schema.properties?.[name];
  if (property !== undefined) fillDefaults(property, item);
  const others = schema.additionalProperties;
  if (property !== undefined || !isDict(others)) return;
  const other = others as Schema;
  if (item === null && other.nullable !== true && other.default !== undefined)
    holder[name] = structuredClone(other.default);
  fillDefaults(other, holder[name]);
}

/** Go writes struct members even when they are empty: `status: {}`, `resources: {}`. OpenAPI marks them with the default `{}`. */
import { isDict, type Obj } from './object.js';
import type { ResourceType } from './resource-type.js';

const skipped = new Set(['metadata', 'apiVersion', 'kind']);

export function emptyStructs(type: ResourceType, object: Obj): void {
  for (const [name, property] of Object.entries(type.schema.properties ?? {})) {
    if (skipped.has(name) || object[name] !== undefined) continue;
    if (isDict(property.default) && Object.keys(property.default).length === 0) object[name] = {};
  }
}

/** Records who changed what in a create, update or patch: structured-merge-diff `Updater.Update`. */
import type { Call } from '../call.js';
import type { ApiContext } from '../context.js';
import { type Dict, isDict, type Obj, timestamp } from '../object.js';
import type { ResourceType } from '../resource-type.js';
import { changed, compare } from './compare.js';
import { difference, empty, type FieldSet, sameFields, union } from './field-set.js';
import { formatManagers, identity, idOf, type Manager, ownable, startingManagers } from './managers.js';
import { Typed } from './typed.js';

const typedKinds = new WeakMap<ResourceType, Typed>();

export function typedOf(type: ResourceType): Typed {
  const known = typedKinds.get(type);
  if (known !== undefined) return known;
  const made = new Typed(type);
  typedKinds.set(type, made);
  return made;
}

/** Writes `metadata.managedFields` of `next`: its changes against `current` belong to the call's manager from now on. */
export function trackManagers(ctx: ApiContext, call: Call, current: Obj | undefined, next: Obj): void {
  const managers = startingManagers(current, next);
  delete next.metadata.managedFields;
  const typed = typedOf(call.type);
  const found = compare(typed, typed.root, withoutManagers(current ?? blank(call.type)), next);
  const taken = ownable(changed(found), call);
  for (const [id, manager] of managers) {
    managers.set(id, { ...manager, set: difference(difference(manager.set, taken), found.removed) });
  }
  own(managers, identity(call, 'Update'), taken, timestamp(ctx.now()));
  const entries = formatManagers(managers);
  if (entries.length > 0) next.metadata.managedFields = entries;
}

/** Adds fields to a manager's own; its time only moves when it has more or fewer of them. */
function own(managers: Map<string, Manager>, self: Omit<Manager, 'set'>, taken: FieldSet, now: string): void {
  const held = managers.get(idOf(self));
  const set = union(held?.set ?? empty, taken);
  const time = held !== undefined && sameFields(held.set, set) ? held.time : now;
  // The real server writes no time for a change through `scale`.
  const isTimed = time !== undefined && self.subresource !== 'scale';
  managers.set(idOf(self), { ...self, ...(isTimed && { time }), set });
}

export function withoutManagers(object: Obj): Obj {
  const { managedFields: _managedFields, ...metadata } = object.metadata;
  return { ...object, metadata: metadata as Obj['metadata'] };
}

/** A built-in kind's empty object: its structs are there before anybody sets something in them. */
function blank({ schema, custom, reader }: ResourceType): Obj {
  const object: Dict = { metadata: {} };
  for (const [name, property] of custom ? [] : Object.entries(schema.properties ?? {})) {
    if (!isDict(property.default) || Object.keys(property.default).length > 0) continue;
    const struct = reader.resolve(property);
    // Lists that are always written are there too, empty.
    const lists = (struct.required ?? []).filter((member) => struct.properties?.[member]?.type === 'array');
    if (name !== 'metadata') object[name] = Object.fromEntries(lists.map((member) => [member, []]));
  }
  return object as unknown as Obj;
}

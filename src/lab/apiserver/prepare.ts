/** The synchronous steps between what a request asks for and what may be stored. */
import type { Call } from './call.js';
import { emptyStructs } from './empty-structs.js';
import { type FieldError, invalid } from './field-error.js';
import type { Obj } from './object.js';
import type { ResourceType } from './resource-type.js';
import { hasSubresource } from './resource-type.js';
import { invalidObject } from './status.js';
import { metadataErrors } from './strategies/names.js';

/** Fills in the kind's defaults. Edits and returns its argument. */
export function applyDefaults(type: ResourceType, object: Obj): Obj {
  type.strategy.defaults?.(object);
  if (!type.custom) emptyStructs(type, object);
  return object;
}

const kept = ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'];

/** Puts back what this request may not change: identity always, the spec for `status`, the status for everything else. */
export function prepareUpdated(call: Call, next: Obj, current: Obj): void {
  const { type, subresource } = call;
  const { metadata } = next;
  for (const member of [...kept, 'generation', 'resourceVersion', 'selfLink']) {
    if (member === 'name' && metadata.name !== undefined && metadata.name !== current.metadata.name) continue;
    if (current.metadata[member] === undefined) delete metadata[member];
    else metadata[member] = current.metadata[member];
  }
  if (subresource === 'status') keepAllBut('status', type, next, current);
  else if (hasSubresource(type, 'status')) copyMember('status', next, current);
}

function keepAllBut(member: string, type: ResourceType, next: Obj, current: Obj): void {
  for (const key of new Set([...Object.keys(next), ...Object.keys(current)])) {
    if (key !== member && key !== 'metadata') copyMember(key, next, current);
  }
  const { managedFields, labels, annotations } = next.metadata;
  next.metadata = { ...current.metadata };
  if (managedFields !== undefined) next.metadata.managedFields = managedFields;
  // The status of a custom resource leaves its metadata alone; nodes and pods are labelled through theirs.
  if (type.custom) return;
  if (labels !== undefined) next.metadata.labels = labels;
  if (annotations !== undefined) next.metadata.annotations = annotations;
}

function copyMember(key: string, next: Obj, current: Obj): void {
  if (current[key] === undefined) delete next[key];
  else next[key] = current[key];
}

/** Throws 422 with every finding at once. */
export function validateObject(call: Call, object: Obj, old: Obj | undefined): void {
  const { type } = call;
  const errors: FieldError[] = [...metadataErrors(object, type.namespaced, type.strategy.nameIsLabel === true)];
  if (old !== undefined) errors.push(...updateErrors(object, old));
  if (call.subresource !== 'status') errors.push(...(type.strategy.validate?.(object, old) ?? []));
  else if (old !== undefined) errors.push(...(type.strategy.validateStatus?.(object, old) ?? []));
  if (errors.length > 0) throw invalidObject(type, object.metadata.name, errors);
}

function updateErrors(object: Obj, old: Obj): FieldError[] {
  const errors: FieldError[] = [];
  if (object.metadata.name !== old.metadata.name) {
    errors.push(invalid('metadata.name', object.metadata.name, 'field is immutable'));
  }
  if (old.metadata.deletionTimestamp !== undefined) {
    const before = new Set(old.metadata.finalizers ?? []);
    const added = (object.metadata.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
    if (added.length > 0) {
      errors.push({
        reason: 'FieldValueForbidden',
        field: 'metadata.finalizers',
        body: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((name) => JSON.stringify(name)).join(', ')}}`,
      });
    }
  }
  return errors;
}

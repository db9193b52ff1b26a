/** The entries of `metadata.managedFields`: who owns which fields. */
import type { Call } from '../call.js';
import { isDict, type ManagedFields, type Obj } from '../object.js';
import { groupVersionOf } from '../resource-type.js';
import { type FieldSet, formatFieldSet, isEmpty, parseFieldSet, union, without, withoutMember } from './field-set.js';

export interface Manager {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource?: string;
  readonly time?: string;
  readonly set: FieldSet;
}

/** An Update beyond this many is folded into one entry, as the real server does. */
const updateLimit = 10;
const ancient = 'ancient-changes';

export const idOf = ({ manager, operation, apiVersion, subresource }: Omit<Manager, 'set'>): string =>
  JSON.stringify([manager, operation, apiVersion, subresource ?? '']);

/** Whose change a call is. */
export function identity(call: Call, operation: 'Apply' | 'Update'): Omit<Manager, 'set'> {
  return {
    manager: call.fieldManager,
    operation,
    apiVersion: groupVersionOf(call.type),
    ...(call.subresource === undefined ? {} : { subresource: call.subresource }),
  };
}

export function parseManagers(entries: unknown): Map<string, Manager> {
  const managers = new Map<string, Manager>();
  if (!Array.isArray(entries)) return managers;
  for (const entry of entries as Partial<ManagedFields>[]) {
    if (!isDict(entry) || typeof entry.manager !== 'string') continue;
    const { manager, operation = 'Update', apiVersion = '', subresource, time, fieldsV1 } = entry;
    const parsed: Manager = {
      manager,
      operation,
      apiVersion,
      ...(subresource !== undefined && { subresource }),
      ...(time !== undefined && { time }),
      set: parseFieldSet(fieldsV1),
    };
    managers.set(idOf(parsed), parsed);
  }
  return managers;
}

/** Entries in the order of the real server: applied ones first, then by time. */
export function formatManagers(managers: ReadonlyMap<string, Manager>): ManagedFields[] {
  const entries = [...foldOld(managers).values()].filter(({ set }) => !isEmpty(set));
  return entries.sort(inOrder).map(({ manager, operation, apiVersion, time, subresource, set }) => ({
    manager,
    operation,
    apiVersion,
    ...(time !== undefined && { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: formatFieldSet(set),
    ...(subresource !== undefined && { subresource }),
  }));
}

function inOrder(a: Manager, b: Manager): number {
  if (a.operation !== b.operation) return a.operation === 'Apply' ? -1 : 1;
  const [left, right] = [a.time ?? '', b.time ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return idOf(a) < idOf(b) ? -1 : 1;
}

function foldOld(managers: ReadonlyMap<string, Manager>): ReadonlyMap<string, Manager> {
  const updates = [...managers].filter(([, { operation }]) => operation === 'Update');
  if (updates.length <= updateLimit) return managers;
  const folded = new Map(managers);
  const oldest = updates.sort(([, a], [, b]) => inOrder(a, b)).slice(0, updates.length - updateLimit + 1);
  for (const [id, { apiVersion, set, time }] of oldest) {
    folded.delete(id);
    const target = { manager: ancient, operation: 'Update', apiVersion } as const;
    const held = folded.get(idOf(target));
    folded.set(idOf(target), {
      ...target,
      ...(time !== undefined && { time }),
      set: held === undefined ? set : union(held.set, set),
    });
  }
  return folded;
}

const systemFields = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'selfLink',
  'generation',
  'managedFields',
  'resourceVersion',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
];

/** Takes away what nobody can own: identity, what the server counts, and what this request may not touch. */
export function ownable(set: FieldSet, call: Call): FieldSet {
  let rest = without(without(set, ['f:apiVersion']), ['f:kind']);
  for (const name of systemFields) rest = without(rest, ['f:metadata', `f:${name}`]);
  rest = withoutMember(rest, ['f:metadata']);
  const hasStatus = call.type.subresources.some(({ name }) => name === 'status');
  if (!hasStatus) return rest;
  if (call.subresource !== 'status') return without(rest, ['f:status']);
  for (const key of rest.children.keys()) {
    if (key !== 'f:status' && (key !== 'f:metadata' || call.type.custom)) rest = without(rest, [key]);
  }
  return rest;
}

/** The managers that a write starts from: those it brings itself, for whoever edits them, else those of the object. */
export function startingManagers(current: Obj | undefined, next: Obj): Map<string, Manager> {
  const asked = next.metadata.managedFields;
  const isReset = asked?.length === 1 && Object.keys(asked[0] ?? {}).length === 0;
  if (isReset) return new Map();
  const given = parseManagers(asked);
  return given.size > 0 ? given : parseManagers(current?.metadata.managedFields);
}

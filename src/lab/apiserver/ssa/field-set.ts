/**
 * Sets of fields, as `managedFields[].fieldsV1` writes them: a tree whose keys are `f:NAME`, `k:{KEYS}` and `v:VALUE`,
 * where `.` says that the node itself is in the set. structured-merge-diff `fieldpath`.
 */
import { type Dict, isDict } from '../object.js';

export interface FieldSet {
  /** Whether the field itself is in the set, beside what is below it. */
  readonly member: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

export const empty: FieldSet = { member: false, children: new Map() };
export const leaf: FieldSet = { member: true, children: new Map() };

export const isEmpty = (set: FieldSet): boolean => !set.member && set.children.size === 0;

/** A node with its empty children left out. */
export function node(member: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  return { member, children: new Map([...children].filter(([, child]) => !isEmpty(child))) };
}

export function parseFieldSet(fields: unknown, isRoot = true): FieldSet {
  if (!isDict(fields)) return empty;
  const children = Object.entries(fields).filter(([key]) => key !== '.');
  const member = !isRoot && ('.' in fields || children.length === 0);
  return node(
    member,
    children.map(([key, value]) => [key, parseFieldSet(value, false)] as const),
  );
}

export function formatFieldSet(set: FieldSet): Dict {
  const result: Dict = set.member && set.children.size > 0 ? { '.': {} } : {};
  for (const key of [...set.children.keys()].sort()) result[key] = formatFieldSet(set.children.get(key) ?? empty);
  return result;
}

function combine(a: FieldSet, b: FieldSet, member: boolean, child: (a: FieldSet, b: FieldSet) => FieldSet): FieldSet {
  const keys = new Set([...a.children.keys(), ...b.children.keys()]);
  return node(
    member,
    [...keys].map((key) => [key, child(a.children.get(key) ?? empty, b.children.get(key) ?? empty)] as const),
  );
}

export const union = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, a.member || b.member, union);
export const intersection = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, a.member && b.member, intersection);
export const difference = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, a.member && !b.member, difference);

/** Takes a field away with everything below it. */
export function without(set: FieldSet, path: readonly string[]): FieldSet {
  const [first, ...rest] = path;
  if (first === undefined) return empty;
  const child = set.children.get(first);
  if (child === undefined) return set;
  return node(
    set.member,
    [...set.children].map(([key, value]) => [key, key === first ? without(value, rest) : value] as const),
  );
}

/** Takes away only the field itself. */
export function withoutMember(set: FieldSet, path: readonly string[]): FieldSet {
  const [first, ...rest] = path;
  if (first === undefined) return node(false, set.children);
  return node(
    set.member,
    [...set.children].map(([key, value]) => [key, key === first ? withoutMember(value, rest) : value] as const),
  );
}

export const sameFields = (a: FieldSet, b: FieldSet): boolean => isEmpty(difference(a, b)) && isEmpty(difference(b, a));

/** Every member as text: `.spec.containers[name="c"].image`. */
export function pathsOf(set: FieldSet, at = ''): string[] {
  const below = [...set.children].flatMap(([key, child]) => pathsOf(child, `${at}${stepText(key)}`));
  return set.member ? [at, ...below] : below;
}

function stepText(key: string): string {
  const rest = key.slice(2);
  if (key.startsWith('f:')) return `.${rest}`;
  if (key.startsWith('v:')) return `[=${rest}]`;
  const keys = Object.entries(JSON.parse(rest) as Dict).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `[${keys.join(',')}]`;
}

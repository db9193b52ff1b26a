/** Small steps that defaulting is made of. Objects are edited in place: they belong to the request. */
import { type Dict, isDict, listOf } from '../object.js';

/** Sets members that are absent. */
export function fill(target: unknown, values: Dict): void {
  if (!isDict(target)) return;
  for (const [key, value] of Object.entries(values)) target[key] ??= value;
}

/** Runs a step for each object of a list; anything else is left for validation. */
export function each(list: unknown, step: (item: Dict) => void): void {
  for (const item of listOf(list)) if (isDict(item)) step(item);
}

/** The member as an object to edit, made when it is absent. */
export function child(target: Dict, name: string): Dict {
  const found = target[name];
  if (isDict(found)) return found;
  const made: Dict = {};
  target[name] = made;
  return made;
}

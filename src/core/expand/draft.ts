import { copyJson, isObject } from '../../base/json.js';
import type { Addition, Operation, Place, Segment } from './types.js';

type Container = Record<string | number, unknown>;

/**
 * A copy of an object that only grows, and the patch that makes the original grow alike. What is taken stays; an
 * addition inside something that was itself added becomes part of that operation, so the patch stays small.
 */
export class Draft {
  readonly object: Record<string, unknown>;
  readonly #operations: Operation[] = [];
  readonly #own = new WeakSet<object>();
  readonly #inFront = new WeakMap<object, number>();

  constructor(original: object) {
    this.object = copyJson(original) as Record<string, unknown>;
  }

  /** Operations in order of application, independent of what happens to the draft afterwards. */
  get patch(): readonly Operation[] {
    return copyJson(this.#operations);
  }

  /** Applies an addition below a place; false when the place is taken or is not of the shape that the addition needs. */
  add(below: Place, addition: Addition): boolean {
    switch (addition.kind) {
      case 'field':
        return this.#field([...below, ...addition.place], addition.value);
      case 'entry':
        return this.#entry([...below, ...addition.list], addition);
      case 'item':
        return this.#append([...below, ...addition.list], [addition.value]);
      case 'words':
        return this.#append([...below, ...addition.list], addition.value);
    }
  }

  /** Puts another value where one is; false when there is none. For what a setting explicitly maps, nothing else. */
  replace(place: Place, value: unknown): boolean {
    const at = this.#walk(place.slice(0, -1));
    const key = this.#keyOf(at?.value, place.at(-1));
    if (!at || key === undefined || !Object.hasOwn(at.value, key)) return false;
    at.value[key] = value;
    if (!this.#own.has(at.value)) this.#operations.push({ op: 'replace', path: pointer([...at.path, key]), value });
    return true;
  }

  #field(place: Place, value: unknown): boolean {
    const parent = this.#ensure(place.slice(0, -1), place.at(-1));
    const key = place.at(-1);
    if (!parent || typeof key !== 'string' || Array.isArray(parent.value)) return false;
    if (parent.value[key] !== undefined && parent.value[key] !== null) return false;
    this.#put(parent, key, value, Object.hasOwn(parent.value, key));
    return true;
  }

  #entry(place: Place, { key, value, first }: Extract<Addition, { kind: 'entry' }>): boolean {
    const list = this.#list(place);
    if (!list) return false;
    const id = (value as Container)[key];
    if (list.value.some((entry) => isObject(entry) && entry[key] === id)) return false;
    const front = this.#inFront.get(list.value) ?? 0;
    if (first) this.#inFront.set(list.value, front + 1);
    this.#insert(list, first ? front : list.value.length, value);
    return true;
  }

  #append(place: Place, values: readonly string[]): boolean {
    const list = this.#list(place);
    if (!list || list.value.includes(values[0])) return false;
    for (const value of values) this.#insert(list, list.value.length, value);
    return true;
  }

  #insert(list: { value: unknown[]; path: (string | number)[] }, index: number, value: unknown): void {
    const copy = this.#adopt(value);
    list.value.splice(index, 0, copy);
    if (!this.#own.has(list.value))
      this.#operations.push({ op: 'add', path: pointer([...list.path, index]), value: copy });
  }

  #put(parent: Walked, key: string, value: unknown, present: boolean): void {
    const copy = this.#adopt(value);
    parent.value[key] = copy;
    if (this.#own.has(parent.value)) return;
    this.#operations.push({ op: present ? 'replace' : 'add', path: pointer([...parent.path, key]), value: copy });
  }

  /** A copy that later additions may grow without an operation of their own. */
  #adopt(value: unknown): unknown {
    const copy = copyJson(value);
    this.#mark(copy);
    return copy;
  }

  #mark(part: unknown): void {
    if (typeof part !== 'object' || part === null) return;
    this.#own.add(part);
    for (const member of Object.values(part)) this.#mark(member);
  }

  #list(place: Place): { value: unknown[]; path: (string | number)[] } | undefined {
    const at = this.#ensure(place, 0);
    return at && Array.isArray(at.value) ? { value: at.value, path: at.path } : undefined;
  }

  /** Walks to a place and makes the missing objects and lists on the way; `next` says what the last of them holds. */
  #ensure(place: Place, next: Segment | undefined): Walked | undefined {
    let at: Walked = { value: this.object, path: [] };
    for (const [index, segment] of place.entries()) {
      const key = this.#keyOf(at.value, segment);
      if (key === undefined) return undefined;
      if (at.value[key] === undefined || at.value[key] === null) {
        if (typeof key === 'number') return undefined;
        const holds = index + 1 < place.length ? place[index + 1] : next;
        this.#put(at, key, typeof holds === 'string' ? {} : [], Object.hasOwn(at.value, key));
      }
      const value = at.value[key];
      if (typeof value !== 'object' || value === null) return undefined;
      at = { value: value as Container, path: [...at.path, key] };
    }
    return at;
  }

  #walk(place: Place): Walked | undefined {
    let at: Walked = { value: this.object, path: [] };
    for (const segment of place) {
      const key = this.#keyOf(at.value, segment);
      const value = key === undefined ? undefined : at.value[key];
      if (key === undefined || typeof value !== 'object' || value === null) return undefined;
      at = { value: value as Container, path: [...at.path, key] };
    }
    return at;
  }

  #keyOf(parent: Container | undefined, segment: Segment | undefined): string | number | undefined {
    if (typeof segment !== 'object')
      return (typeof segment === 'number') === Array.isArray(parent) ? segment : undefined;
    if (!Array.isArray(parent)) return undefined;
    const index = parent.findIndex((entry) => isObject(entry) && entry[segment.key] === segment.is);
    return index < 0 ? undefined : index;
  }
}

interface Walked {
  readonly value: Container;
  readonly path: (string | number)[];
}

const pointer = (path: readonly (string | number)[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

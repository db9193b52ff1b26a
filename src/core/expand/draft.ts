import { copyJson, isObject } from '../../base/json.js';
import type { Addition, Operation, Place, Segment } from './types.js';

type Container = Record<string | number, unknown>;

/** A place that exists: what stands there, and how a patch writes it (RFC 6901). */
interface Found {
  readonly value: Container;
  readonly path: string;
  /** It is part of something that was added, so what is added to it is part of that operation. */
  readonly own: boolean;
}

interface FoundList extends Omit<Found, 'value'> {
  readonly value: unknown[];
}

interface Known<F> {
  readonly place: Place;
  readonly base: Found;
  readonly found: F | undefined;
}

/**
 * A copy of an object that only grows, and the patch that makes the original grow alike. What is taken stays; an
 * addition inside something that was itself added becomes part of that operation, so the patch stays small.
 */
export class Draft {
  readonly object: Record<string, unknown>;
  readonly #operations: Operation[] = [];
  readonly #added = new Set<unknown>();
  readonly #inFront = new Map<unknown, number>();
  readonly #root: Found;
  /** One template gets dozens of additions, and most steps add to one list: each is looked up once. */
  #base: Known<Found> | undefined;
  #list: Known<FoundList> | undefined;

  /** `given`: nobody else uses the object any more, so it grows itself. */
  constructor(original: object, ownership: 'kept' | 'given' = 'kept') {
    this.object = (ownership === 'given' ? original : copyJson(original)) as Record<string, unknown>;
    this.#root = { value: this.object, path: '', own: false };
  }

  /** Operations in order of application. Their values are parts of `object`. */
  get patch(): readonly Operation[] {
    return this.#operations;
  }

  /** Applies an addition below a place; false when the place is taken or is not of the shape that the addition needs. */
  add(below: Place, addition: Addition): boolean {
    const base = this.#baseAt(below);
    if (!base) return false;
    switch (addition.kind) {
      case 'field':
        return this.#field(base, addition.place, addition.value);
      case 'entry':
        return this.#entry(base, addition);
      case 'item':
        return this.#append(base, addition.list, [addition.value]);
      case 'words':
        return this.#append(base, addition.list, addition.value, addition.nth);
    }
  }

  /** Puts another value where one is; false when there is none. For what a setting explicitly maps, nothing else. */
  replace(place: Place, value: unknown): boolean {
    const at = this.#walk(place.slice(0, -1));
    const last = place.at(-1);
    const key = at && last !== undefined ? keyOf(at.value, last) : undefined;
    if (!at || key === undefined || !Object.hasOwn(at.value, key)) return false;
    at.value[key] = value;
    if (!at.own) this.#operations.push({ op: 'replace', path: pointerTo(at.path, key), value });
    return true;
  }

  #field(base: Found, place: Place, value: unknown): boolean {
    const key = place.at(-1);
    const parent = this.#ensure(base, place, place.length - 1, key);
    if (!parent || typeof key !== 'string' || Array.isArray(parent.value)) return false;
    const present = parent.value[key];
    if (present !== undefined && present !== null) return false;
    this.#put(parent, key, value);
    return true;
  }

  #entry(base: Found, { list: place, key, value, first }: Extract<Addition, { kind: 'entry' }>): boolean {
    const list = this.#listAt(base, place);
    if (!list) return false;
    const id = (value as Container)[key];
    for (const entry of list.value) if (isObject(entry) && entry[key] === id) return false;
    const front = first ? (this.#inFront.get(list.value) ?? 0) : 0;
    if (first) this.#inFront.set(list.value, front + 1);
    this.#insert(list, first ? front : list.value.length, value);
    return true;
  }

  #append(base: Found, place: Place, values: readonly string[], nth?: number): boolean {
    const list = this.#listAt(base, place);
    if (!list) return false;
    if (nth === undefined ? list.value.includes(values[0]) : timesIn(list.value, values) >= nth) return false;
    for (const value of values) this.#insert(list, list.value.length, value);
    return true;
  }

  #insert(list: FoundList, index: number, value: unknown): void {
    const copy = this.#adopt(value);
    if (index === list.value.length) list.value.push(copy);
    else list.value.splice(index, 0, copy);
    if (!list.own) this.#operations.push({ op: 'add', path: pointerTo(list.path, index), value: copy });
  }

  #put(parent: Found, key: string, value: unknown): void {
    const op = Object.hasOwn(parent.value, key) ? 'replace' : 'add';
    const copy = this.#adopt(value);
    parent.value[key] = copy;
    if (!parent.own) this.#operations.push({ op, path: pointerTo(parent.path, key), value: copy });
  }

  /** A copy that later additions may grow without an operation of their own. */
  #adopt(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    const copy = copyJson(value);
    this.#added.add(copy);
    return copy;
  }

  #baseAt(place: Place): Found | undefined {
    if (this.#base?.place !== place) {
      this.#base = { place, base: this.#root, found: this.#ensure(this.#root, place, place.length, '') };
    }
    return this.#base.found;
  }

  #listAt(base: Found, place: Place): FoundList | undefined {
    if (this.#list?.place !== place || this.#list.base !== base) {
      const found = this.#ensure(base, place, place.length, 0);
      this.#list = { place, base, found: found && isList(found) ? found : undefined };
    }
    return this.#list.found;
  }

  /**
   * Walks the first `count` segments and makes the missing objects and lists on the way; `next` says what the last of them
   * holds.
   */
  #ensure(base: Found, place: Place, count: number, next: Segment | undefined): Found | undefined {
    let at: Found | undefined = base;
    for (let index = 0; at && index < count; index += 1) {
      const key = keyOf(at.value, place[index] as Segment);
      if (key === undefined) return undefined;
      if (at.value[key] === undefined || at.value[key] === null) {
        if (typeof key === 'number') return undefined;
        const holds = index + 1 < count ? place[index + 1] : next;
        this.#put(at, key, typeof holds === 'string' ? {} : []);
      }
      at = this.#inside(at, key);
    }
    return at;
  }

  #walk(place: Place): Found | undefined {
    let at: Found | undefined = this.#root;
    for (const segment of place) {
      const key: string | number | undefined = at && keyOf(at.value, segment);
      at = at && key !== undefined ? this.#inside(at, key) : undefined;
    }
    return at;
  }

  #inside(at: Found, key: string | number): Found | undefined {
    const value = at.value[key];
    if (typeof value !== 'object' || value === null) return undefined;
    const own = at.own || this.#added.has(value);
    return { value: value as Container, path: own ? '' : pointerTo(at.path, key), own };
  }
}

const isList = (found: { readonly value: unknown }): found is FoundList => Array.isArray(found.value);

function keyOf(parent: Container, segment: Segment): string | number | undefined {
  if (typeof segment !== 'object') {
    return (typeof segment === 'number') === Array.isArray(parent) ? segment : undefined;
  }
  if (!Array.isArray(parent)) return undefined;
  const { key, is } = segment;
  const index = parent.findIndex((entry) => isObject(entry) && entry[key] === is);
  return index < 0 ? undefined : index;
}

/** How often a list holds the values one after another. */
function timesIn(list: readonly unknown[], values: readonly string[]): number {
  let times = 0;
  for (let at = list.indexOf(values[0]); at >= 0; at = list.indexOf(values[0], at + 1)) {
    if (values.every((value, offset) => list[at + offset] === value)) times += 1;
  }
  return times;
}

const special = /[~/]/;

/** Pointer to a member: RFC 6901 escapes `~` and `/`. */
function pointerTo(path: string, key: string | number): string {
  if (typeof key === 'number' || !special.test(key)) return `${path}/${key}`;
  return `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** Something with a place in an `OpenList`. */
export interface Placed {
  /** Where it stands; only the list writes it. */
  at: number;
}

/**
 * What is open at the moment, in no order. A `Set` would do the same, but each time it makes room its old table stays behind
 * in the old generation and drags finished requests along: two thirds of the time spent on young garbage.
 */
export class OpenList<T extends Placed> {
  readonly #all: T[] = [];

  get size(): number {
    return this.#all.length;
  }

  add(item: T): void {
    item.at = this.#all.length;
    this.#all.push(item);
  }

  /** The last one takes the place of the one that goes. */
  delete(item: T): void {
    const last = this.#all.pop();
    if (last === undefined || last === item) return;
    this.#all[item.at] = last;
    last.at = item.at;
  }

  [Symbol.iterator](): Iterator<T> {
    return [...this.#all].values();
  }
}

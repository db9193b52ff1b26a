export interface Ordered {
  readonly ordinal: number;
}

export const byOrdinal = (a: Ordered, b: Ordered): number => a.ordinal - b.ordinal;

/** The `count` lowest ordinals that are not taken, ascending: names of what is gone are used again. */
export function lowestFree(taken: Iterable<number>, count: number): number[] {
  const used = new Set(taken);
  const free: number[] = [];
  for (let ordinal = 0; free.length < count; ordinal++) if (!used.has(ordinal)) free.push(ordinal);
  return free;
}

/** Items by key, keys in the order of their first item. */
export function groupBy<T, K>(items: Iterable<T>, keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [item]);
    else members.push(item);
  }
  return groups;
}

/** What follows from an object that never changes: computed when first asked for, kept as long as the object lives. */
export function oncePer<K extends object, V>(derive: (from: K) => V): (from: K) => V {
  const known = new WeakMap<K, V>();
  return (from) => {
    const before = known.get(from);
    if (before !== undefined) return before;
    const value = derive(from);
    known.set(from, value);
    return value;
  };
}

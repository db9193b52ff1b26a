/** Query text of the members that have a value, with its `?`; empty when there is none. */
export function query(members: Readonly<Record<string, string | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(members)) if (value !== undefined) search.set(name, value);
  return search.size === 0 ? '' : `?${search}`;
}

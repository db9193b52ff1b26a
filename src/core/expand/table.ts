import type { Reason } from './types.js';

export interface AdditionRow {
  /** Roles that got the same, e.g. `prefill, decode`. */
  readonly roles: string;
  readonly by: string;
  readonly field: string;
  readonly value: string;
  readonly because: string;
  readonly source: string;
}

export interface AdditionTable {
  /** Fields added, over all roles. */
  readonly total: number;
  /** Fields per profile, most first. */
  readonly counts: readonly { readonly by: string; readonly fields: number }[];
  /** One row per distinct addition; roles that got the same share a row. */
  readonly rows: readonly AdditionRow[];
}

/** What was added and why, for a person. */
export function additionTable(reasons: readonly Reason[]): AdditionTable {
  const counts = new Map<string, number>();
  const rows = new Map<string, { row: Omit<AdditionRow, 'roles'>; roles: string[] }>();
  for (const { role, by, field, value, because, source = '' } of reasons) {
    counts.set(by, (counts.get(by) ?? 0) + 1);
    const row = { by, field, value, because, source };
    const key = JSON.stringify(row);
    const known = rows.get(key) ?? { row, roles: [] };
    known.roles.push(role);
    rows.set(key, known);
  }
  return {
    total: reasons.length,
    counts: [...counts]
      .map(([by, fields]) => ({ by, fields }))
      .sort((a, b) => b.fields - a.fields || (a.by < b.by ? -1 : 1)),
    rows: [...rows.values()].map(({ row, roles }) => ({ roles: roles.join(', '), ...row })),
  };
}

import type { Reason } from '../../src/core/expand/types.js';

/** How many fields each profile asked for. */
export function countByProfile(reasons: readonly Reason[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { by } of reasons) counts[by] = (counts[by] ?? 0) + 1;
  return counts;
}

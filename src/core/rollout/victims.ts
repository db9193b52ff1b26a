/** Which of several equal things goes first when fewer are wanted. */
import { byOrdinal, type Ordered } from './order.js';

export interface Candidate extends Ordered {
  readonly serves: boolean;
  /** Sum of the pods' deletion costs. */
  readonly cost: number;
}

/**
 * What does not serve goes first, then what is cheap to delete, then the highest ordinal. The first `shielded` by
 * ordinal go only when the others are not enough.
 */
export function chooseVictims<T extends Candidate>(candidates: readonly T[], count: number, shielded = 0): T[] {
  const sorted = [...candidates].sort(byOrdinal);
  const order = (list: T[]) =>
    list.sort((a, b) => Number(a.serves) - Number(b.serves) || a.cost - b.cost || b.ordinal - a.ordinal);
  return [...order(sorted.slice(shielded)), ...order(sorted.slice(0, shielded))].slice(0, Math.max(0, count));
}

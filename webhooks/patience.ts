import type { Instant } from '../src/base/clock.js';

/** Milliseconds. A quiet time longer than the longest pause ends a streak. */
const first = 1_000;
const longest = 300_000;
const calm = 2 * longest;

/**
 * How long a repair waits. The first comes at once; repairs that undo somebody's writes again and again wait 1, 2, 4 ... 300 s, so
 * that two processes that want different things do not write as fast as the API server answers.
 */
export class Patience {
  #last: Instant = Number.NEGATIVE_INFINITY;
  #streak = 0;

  /** Milliseconds until a repair may be made at `now`; 0 when at once. */
  pause(now: Instant): number {
    if (now - this.#last > calm) this.#streak = 0;
    if (this.#streak === 0) return 0;
    return Math.max(0, this.#last + Math.min(first * 2 ** (this.#streak - 1), longest) - now);
  }

  /** Counts a repair; returns how many have followed each other without a calm. */
  repaired(now: Instant): number {
    this.#last = now;
    this.#streak += 1;
    return this.#streak;
  }
}

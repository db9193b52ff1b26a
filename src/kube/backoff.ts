/** Milliseconds to wait before try number `attempt` (0 is the first repetition). */
export type Backoff = (attempt: number) => number;

/** Uniform in [0, base * 2^attempt], capped: many clients that fail together do not come back together. */
export function fullJitter(
  limits: { readonly base: number; readonly cap: number },
  random: () => number = Math.random,
): Backoff {
  return (attempt) => random() * Math.min(limits.cap, limits.base * 2 ** Math.min(attempt, 30));
}

/** base * 2^attempt, capped, without chance. */
export function exponential(limits: { readonly base: number; readonly cap: number }): Backoff {
  return (attempt) => Math.min(limits.cap, limits.base * 2 ** Math.min(attempt, 30));
}

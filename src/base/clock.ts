/** Time as an argument. Decisions take an `Instant`; what waits takes a `Clock`, so that a test can own time. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/** Milliseconds since the Unix epoch. */
export type Instant = number;

export const systemClock: Clock = { now: () => Date.now() };

/** The engine's step loop: everybody who waits is woken together, once per step; no timer runs when nobody waits. */
export class Ticker {
  readonly #ms: number;
  #timer: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];

  constructor(ms: number) {
    this.#ms = ms;
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#timer ??= setTimeout(() => {
        const woken = this.#waiting;
        this.#waiting = [];
        this.#timer = undefined;
        for (const wake of woken) wake();
      }, this.#ms);
    });
  }
}

/** Resolves after `ms`, or as soon as the signal aborts; never rejects, so that callers look at the signal once. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}

/** Never resolves before the signal aborts. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

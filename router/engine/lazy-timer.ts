/**
 * A time limit that is set and lifted with every message, while it hardly ever runs out. The timer behind it stays as it is
 * and looks at the limit when it fires: setting and lifting cost a look at the clock.
 */
export class LazyTimer {
  readonly #expire: (ms: number) => void;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer behind fires; only meaningful while there is one. */
  #firesAt = 0;
  /** When the limit runs out; 0 when none is set. */
  #dueAt = 0;
  #ms = 0;

  /** @param expire is told the limit that ran out, in milliseconds */
  constructor(expire: (ms: number) => void) {
    this.#expire = expire;
  }

  /** Sets the limit, from now on; 0 sets none. */
  start(ms: number): void {
    if (ms === 0) {
      this.#dueAt = 0;
      return;
    }
    const now = performance.now();
    this.#ms = ms;
    this.#dueAt = now + ms;
    if (this.#timer && this.#firesAt <= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#set(ms, now);
  }

  /** Lifts the limit. */
  stop(): void {
    this.#dueAt = 0;
  }

  /** Lifts the limit and leaves no timer behind. */
  close(): void {
    this.#dueAt = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #set(ms: number, now: number): void {
    this.#firesAt = now + ms;
    this.#timer = setTimeout(() => this.#onTimer(), ms);
  }

  #onTimer(): void {
    this.#timer = undefined;
    if (this.#dueAt === 0) return;
    const now = performance.now();
    const left = Math.ceil(this.#dueAt - now);
    if (left > 0) {
      this.#set(left, now);
      return;
    }
    this.#dueAt = 0;
    this.#expire(this.#ms);
  }
}

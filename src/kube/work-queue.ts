/** Keys to work on: each at most once in the queue, never two workers on one key, failures repeated with growing delay. */
import { describeError } from '../base/errors.js';
import type { Logger } from '../telemetry/log.js';
import { type Backoff, exponential } from './backoff.js';

export interface WorkQueueOptions {
  /** Work on one key; `again` asks for another round after so many milliseconds. A rejection is repeated with back-off. */
  readonly work: (key: string) => Promise<{ readonly again?: number } | undefined>;
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly backoff?: Backoff;
  /** Called after each round, for metrics. */
  readonly onDone?: (key: string, failure: unknown) => void;
}

interface Delayed {
  /** On the monotonic clock, milliseconds. */
  readonly due: number;
  readonly timer: NodeJS.Timeout;
}

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #backoff: Backoff;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  /** Keys added while they were worked on. */
  readonly #dirty = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  #idleWaiters: (() => void)[] = [];
  #stopped: boolean;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? exponential({ base: 20, cap: 60_000 });
    this.#stopped = options.signal.aborted;
    options.signal.addEventListener('abort', () => void this.stop(), { once: true });
  }

  /** Keys waiting to be worked on, delayed ones not counted. */
  get depth(): number {
    return this.#waiting.size;
  }

  add(key: string): void {
    if (this.#stopped) return;
    (this.#running.has(key) ? this.#dirty : this.#waiting).add(key);
    this.#pump();
  }

  /** Of several delays for one key the shortest counts. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#stopped) return;
    const due = performance.now() + milliseconds;
    const earlier = this.#delayed.get(key);
    if (earlier !== undefined && earlier.due <= due) return;
    this.#cancelDelay(key);
    const timer = setTimeout(() => {
      this.#delayed.delete(key);
      this.add(key);
    }, milliseconds);
    this.#delayed.set(key, { due, timer });
  }

  /** Drops what is remembered of a key: failures and delayed rounds. */
  forget(key: string): void {
    this.#failures.delete(key);
    this.#cancelDelay(key);
  }

  /** Resolves when nothing waits and nothing runs; delayed keys do not count. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
      this.#settleIdle();
    });
  }

  /** No further round starts; resolves when the running ones have ended. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    this.#dirty.clear();
    for (const key of [...this.#delayed.keys()]) this.#cancelDelay(key);
    return this.idle();
  }

  #pump(): void {
    for (const key of this.#waiting) {
      if (this.#stopped || this.#running.size >= this.#options.workers) return;
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#round(key);
    }
  }

  async #round(key: string): Promise<void> {
    const failure = await this.#work(key);
    this.#running.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
    this.#options.onDone?.(key, failure);
    this.#pump();
    this.#settleIdle();
  }

  /** The failure, if there was one. */
  async #work(key: string): Promise<unknown> {
    try {
      await Promise.resolve(); // whoever adds a key finishes what it is doing before the work starts
      const result = await this.#options.work(key);
      this.#failures.delete(key);
      if (result?.again !== undefined) this.addAfter(key, result.again);
      return undefined;
    } catch (error) {
      const count = this.#failures.get(key) ?? 0;
      this.#failures.set(key, count + 1);
      const wait = this.#backoff(count);
      const fields = { key, error: describeError(error), retryInMs: Math.round(wait) };
      if (!this.#stopped) this.#options.logger.warn(fields, 'work failed');
      this.addAfter(key, wait);
      return error;
    }
  }

  #settleIdle(): void {
    if (this.#running.size > 0 || this.#waiting.size > 0) return;
    for (const resolve of this.#idleWaiters) resolve();
    this.#idleWaiters = [];
  }

  #cancelDelay(key: string): void {
    clearTimeout(this.#delayed.get(key)?.timer);
    this.#delayed.delete(key);
  }
}

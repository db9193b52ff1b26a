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

export interface WorkQueue {
  add(key: string): void;
  addAfter(key: string, milliseconds: number): void;
  /** Drops what is remembered of a key: failures and delayed rounds. */
  forget(key: string): void;
  /** Keys waiting to be worked on, delayed ones not counted. */
  readonly depth: number;
  /** Resolves when nothing waits and nothing runs; delayed keys do not count. */
  idle(): Promise<void>;
  /** No further round starts; resolves when the running ones have ended. */
  stop(): Promise<void>;
}

interface Delayed {
  readonly due: number;
  readonly timer: NodeJS.Timeout;
}

export function startWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { work, workers, signal, logger, onDone } = options;
  const backoff = options.backoff ?? exponential({ base: 20, cap: 60_000 });
  const waiting = new Set<string>();
  const running = new Set<string>();
  /** Keys added while they were worked on. */
  const dirty = new Set<string>();
  const delayed = new Map<string, Delayed>();
  const failures = new Map<string, number>();
  let idleWaiters: (() => void)[] = [];
  let stopped = signal.aborted;

  const settleIdle = () => {
    if (running.size > 0 || (waiting.size > 0 && !stopped)) return;
    for (const resolve of idleWaiters) resolve();
    idleWaiters = [];
  };

  const add = (key: string) => {
    if (stopped) return;
    if (running.has(key)) dirty.add(key);
    else waiting.add(key);
    pump();
  };

  const cancelDelay = (key: string) => {
    clearTimeout(delayed.get(key)?.timer);
    delayed.delete(key);
  };

  const addAfter = (key: string, milliseconds: number) => {
    if (stopped) return;
    const due = performance.now() + milliseconds;
    const earlier = delayed.get(key);
    if (earlier !== undefined && earlier.due <= due) return;
    cancelDelay(key);
    const timer = setTimeout(() => {
      delayed.delete(key);
      add(key);
    }, milliseconds);
    delayed.set(key, { due, timer });
  };

  const round = async (key: string): Promise<void> => {
    let failure: unknown;
    try {
      const result = await work(key);
      failures.delete(key);
      if (result?.again !== undefined) addAfter(key, result.again);
    } catch (error) {
      failure = error;
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      const wait = backoff(count);
      if (!stopped) logger.warn({ key, error: describeError(error), retryInMs: Math.round(wait) }, 'work failed');
      addAfter(key, wait);
    }
    running.delete(key);
    if (dirty.delete(key)) add(key);
    onDone?.(key, failure);
    pump();
    settleIdle();
  };

  const pump = () => {
    for (const key of waiting) {
      if (running.size >= workers || stopped) return;
      waiting.delete(key);
      running.add(key);
      void round(key);
    }
  };

  const idle = () =>
    new Promise<void>((resolve) => {
      idleWaiters.push(resolve);
      settleIdle();
    });

  const stop = () => {
    stopped = true;
    waiting.clear();
    dirty.clear();
    for (const key of [...delayed.keys()]) cancelDelay(key);
    return idle();
  };
  signal.addEventListener('abort', () => void stop(), { once: true });

  return {
    add,
    addAfter,
    forget(key) {
      failures.delete(key);
      cancelDelay(key);
    },
    get depth() {
      return waiting.size;
    },
    idle,
    stop,
  };
}

import type { LoadRow } from './load.js';

/** What every worker said last of the load it holds, so that a worker that comes later can be told. Bounded by workers and busy pods. */
export class LoadBoard {
  readonly #byWorker = new Map<number, Map<string, LoadRow>>();

  put(worker: number, rows: readonly LoadRow[]): void {
    let held = this.#byWorker.get(worker);
    if (!held) {
      held = new Map();
      this.#byWorker.set(worker, held);
    }
    for (const row of rows) {
      const [uid, inFlight, queuedBytes] = row;
      if (inFlight === 0 && queuedBytes === 0) held.delete(uid);
      else held.set(uid, row);
    }
  }

  drop(worker: number): void {
    this.#byWorker.delete(worker);
  }

  /** All rows, by worker; only workers that hold something. */
  *rows(): Iterable<readonly [worker: number, rows: readonly LoadRow[]]> {
    for (const [worker, held] of this.#byWorker) if (held.size > 0) yield [worker, [...held.values()]];
  }
}

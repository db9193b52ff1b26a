import type { Batch } from '../../../router/sharing.js';
import type { LoadRow } from '../../core/pairing/load.js';
import type { PrefixNews } from '../../core/pairing/prefix.js';
import type { Line } from './line.js';

/** From one message to a worker to the next; the first one after a silence goes at once. */
const gatherMs = 3;
/** Prompts that wait for a worker which is behind; of more than these it learns when it sees them. */
const mostPrefixes = 5000;

interface Waiting {
  readonly load: Map<string, LoadRow>;
  readonly prefixes: PrefixNews[];
}

/** What other workers have said and one worker has not been told: of each pod the last state only, so that it stays small. */
export class Outbox {
  readonly #line: Line;
  readonly #waiting = new Map<number, Waiting>();
  #timer: NodeJS.Timeout | undefined;
  #sentAt = 0;
  #isSending = false;

  constructor(line: Line) {
    this.#line = line;
  }

  put(from: number, { load, prefixes }: Batch): void {
    let waiting = this.#waiting.get(from);
    if (!waiting) {
      waiting = { load: new Map(), prefixes: [] };
      this.#waiting.set(from, waiting);
    }
    for (const row of load) waiting.load.set(row[0], row);
    waiting.prefixes.push(...prefixes.slice(0, mostPrefixes - waiting.prefixes.length));
    this.#wake();
  }

  /** Nothing more is to be said of this worker. */
  drop(from: number): void {
    this.#waiting.delete(from);
    this.#line.send({ is: 'gone', worker: from });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #wake(): void {
    if (this.#isSending) return;
    this.#timer ??= setTimeout(() => this.#flush(), Math.max(0, gatherMs - (performance.now() - this.#sentAt)));
  }

  #flush(): void {
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    const batches = [...this.#waiting].map(
      ([from, { load, prefixes }]) => [from, { load: [...load.values()], prefixes }] as const,
    );
    this.#waiting.clear();
    this.#sentAt = performance.now();
    this.#isSending = true;
    this.#line.send({ is: 'batches', batches }, () => {
      this.#isSending = false;
      if (this.#waiting.size > 0) this.#wake();
    });
  }
}

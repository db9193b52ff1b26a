/** One request as the engine met it: what tests of a router assert on. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body as it came, byte for byte (UTF-8). */
  readonly body: string;
  readonly requestId: string;
  /** `kv_transfer_params` of the request. */
  received?: Readonly<Record<string, unknown>> | undefined;
  /** `kv_transfer_params` of the answer. */
  handover?: Readonly<Record<string, unknown>> | undefined;
  /** `refused`: 4xx; `failed`: 5xx, a dead engine or a fault; `aborted`: the client left. */
  ended: 'pending' | 'finished' | 'aborted' | 'refused' | 'failed';
  status?: number;
  /** Text sent so far, all choices joined. */
  text: string;
}

/** Bodies kept together; the oldest requests are forgotten first. */
const mostBytes = 64 * 1024 * 1024;

/** The last requests, oldest first, and a way to wait for one. */
export class SeenLog {
  readonly #limit: number;
  #entries: Seen[] = [];
  #bytes = 0;
  #waiting: { when: (entries: readonly Seen[]) => boolean; resolve: () => void }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get entries(): readonly Seen[] {
    return this.#entries;
  }

  add(entry: Seen): void {
    if (this.#limit === 0) return;
    this.#entries.push(entry);
    this.#bytes += entry.body.length;
    while (this.#entries.length > 1 && (this.#entries.length > this.#limit || this.#bytes > mostBytes)) {
      this.#bytes -= this.#entries.shift()?.body.length ?? 0;
    }
    this.changed();
  }

  changed(): void {
    const met = this.#waiting.filter(({ when }) => when(this.#entries));
    if (met.length === 0) return;
    this.#waiting = this.#waiting.filter((waiter) => !met.includes(waiter));
    for (const { resolve } of met) resolve();
  }

  /** Resolves when the condition holds; for tests, which must not sleep. */
  until(when: (entries: readonly Seen[]) => boolean): Promise<void> {
    if (when(this.#entries)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ when, resolve }));
  }
}

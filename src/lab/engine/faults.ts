/** What an engine can be told to do wrong. Each entry is spent by requests to the OpenAI routes, first come first served. */
export type Fault =
  /** Answers with this status and body before anything else happens. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Reads the request and never answers. */
  | { readonly kind: 'hang' }
  /** Resets the connection before the first byte of the answer. */
  | { readonly kind: 'reset' }
  /** Sends this many token chunks of a stream (or half of a plain body), then resets the connection. */
  | { readonly kind: 'truncate'; readonly afterChunks: number }
  /** Sends this many token chunks of a stream, then falls silent with the connection open. */
  | { readonly kind: 'stall'; readonly afterChunks: number }
  /** Waits before the work starts. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** Prefill answers 200 without `kv_transfer_params`, and keeps nothing. */
  | { readonly kind: 'no-params' };

/** A bounded list of faults to come; empty means that the engine behaves. */
export class Faults {
  #queue: { fault: Fault; left: number; path: string | undefined }[] = [];

  /** The next `times` requests (whose path is `path`, when given) meet this fault. */
  next(fault: Fault, times = 1, path?: string): void {
    if (this.#queue.length < 100) this.#queue.push({ fault, left: times, path });
  }

  clear(): void {
    this.#queue = [];
  }

  take(path: string): Fault | undefined {
    const entry = this.#queue.find((candidate) => candidate.path === undefined || candidate.path === path);
    if (!entry) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) this.#queue = this.#queue.filter((candidate) => candidate !== entry);
    return entry.fault;
  }
}

/** What `start…` returns: a server or loop that runs until it is stopped. */
export interface Running extends AsyncDisposable {
  /** Where it listens, when it does; the port is the real one also when 0 was asked for. */
  readonly address?: { readonly host: string; readonly port: number };
  /** Resolves once `/readyz` would answer 200; rejects when that can no longer happen. */
  readonly ready: Promise<void>;
  /** Resolves when everything that was opened is closed. Safe to call twice. */
  stop(): Promise<void>;
}

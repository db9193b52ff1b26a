import type { Clock, Instant } from '../../base/clock.js';
import type { BlockPool } from './blocks.js';

interface Held {
  readonly ids: readonly number[];
  expires: Instant;
  readers: number;
}

/**
 * The hand-overs of a prefill engine: blocks that stay allocated after the answer, until decode has read them or the
 * lease is over. Expiry is found when somebody looks, so a test that owns the clock needs no timer.
 */
export class Handovers {
  readonly #held = new Map<string, Held>();
  readonly #pool: BlockPool;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  expired = 0;
  notificationsAfterExpiry = 0;

  constructor(pool: BlockPool, clock: Clock, leaseMs: number) {
    this.#pool = pool;
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  hold(requestId: string, ids: readonly number[]): void {
    this.#held.set(requestId, { ids, expires: this.#clock.now() + this.#leaseMs, readers: 0 });
  }

  /** Frees what nobody fetched in time. */
  expire(): void {
    const now = this.#clock.now();
    for (const [requestId, held] of this.#held) {
      if (held.readers > 0 || held.expires > now) continue;
      this.#held.delete(requestId);
      this.#pool.release(held.ids);
      this.expired += 1;
    }
  }

  /** While a decode engine has the request queued its heartbeats renew the lease; the last one is worth two thirds of it. */
  heartbeat(requestId: string): () => void {
    this.expire();
    const held = this.#held.get(requestId);
    if (!held) return () => undefined;
    held.readers += 1;
    return () => {
      held.readers -= 1;
      held.expires = Math.max(held.expires, this.#clock.now() + (this.#leaseMs * 2) / 3);
    };
  }

  done(requestId: string): boolean {
    this.expire();
    const held = this.#held.get(requestId);
    if (!held) {
      this.notificationsAfterExpiry += 1;
      return false;
    }
    this.#held.delete(requestId);
    this.#pool.release(held.ids);
    return true;
  }

  get requests(): readonly string[] {
    this.expire();
    return [...this.#held.keys()];
  }

  /** Distinct blocks that wait to be fetched. */
  get blocks(): number {
    this.expire();
    return new Set([...this.#held.values()].flatMap((held) => held.ids)).size;
  }
}

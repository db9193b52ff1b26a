/**
 * Leader election with a Lease object: compare-and-set on resourceVersion, expiry judged by how long this process has
 * seen the record unchanged, never by another machine's clock. The leader stops its work before its lease can expire.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, systemClock } from '../base/clock.js';
import { describeError } from '../base/errors.js';
import type { Logger } from '../telemetry/log.js';
import type { KubeClient, RawObject } from './client.js';
import { isAlreadyExists, isConflict, isNotFound } from './kube-error.js';
import { leases } from './resources.js';

export interface LeaseOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Unique per process. */
  readonly identity: string;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Seconds: how long a lease holds (15), how long the leader works without a renewal (10), pause between tries (2). */
  readonly holdSeconds?: number;
  readonly workSeconds?: number;
  readonly retrySeconds?: number;
}

export interface Lease extends RawObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/**
 * Runs `work` whenever this process leads, until the signal aborts. `work` gets a signal that aborts when leadership
 * may be lost, and must end soon after; the lease is given up only when it has ended.
 */
export async function runAsLeader(options: LeaseOptions, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { signal, logger, retrySeconds = 2 } = options;
  const election = new Election(options);
  while (!signal.aborted) {
    if (await election.try()) {
      logger.info({ lease: options.name, identity: options.identity }, 'leading');
      await lead(options, election, work);
      logger.info({ lease: options.name, identity: options.identity }, 'no longer leading');
    }
    await pause(retrySeconds * 1000, signal);
  }
}

async function lead(
  options: LeaseOptions,
  election: Election,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { signal, clock = systemClock, retrySeconds = 2, workSeconds = 10, logger } = options;
  const term = new AbortController();
  const end = () => term.abort(signal.reason);
  signal.addEventListener('abort', end, { once: true });
  let over = false;
  const done = work(term.signal).finally(() => {
    over = true;
    term.abort();
  });
  done.catch(() => undefined); // awaited below; the renewals go on until then
  // A timer of its own: a renewal that hangs must not keep the work alive past the lease.
  const fence = setInterval(() => {
    if (clock.now() - election.renewedAt < workSeconds * 1000) return;
    logger.warn({ lease: options.name }, 'the lease could not be renewed in time; stopping work');
    term.abort();
  }, 200);
  try {
    while (!term.signal.aborted && !over) {
      await pause(retrySeconds * 1000, term.signal);
      if (!term.signal.aborted && !(await election.try()) && election.lost) term.abort();
    }
    await done;
  } finally {
    clearInterval(fence);
    signal.removeEventListener('abort', end);
    await election.release();
  }
}

class Election {
  readonly #options: LeaseOptions;
  readonly #clock: Clock;
  #seen: { version: string; at: number } | undefined;
  /** True when the last look showed another holder. */
  lost = false;
  /** When the request of the last successful renewal was sent. */
  renewedAt = Number.NEGATIVE_INFINITY;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Takes or renews the lease; false when another holds it or the server cannot be asked. */
  async try(): Promise<boolean> {
    const sent = this.#clock.now();
    try {
      const current = await this.#read();
      const taken = current === undefined ? await this.#create() : await this.#take(current);
      if (taken) this.renewedAt = sent;
      this.lost = !taken;
      return taken;
    } catch (error) {
      const raced = isConflict(error) || isAlreadyExists(error);
      if (!raced && !this.#options.signal.aborted) {
        this.#options.logger.warn({ lease: this.#options.name, error: describeError(error) }, 'lease not renewed');
      }
      return false;
    }
  }

  /** Lets another take over at once. */
  async release(): Promise<void> {
    const { client, identity, namespace, name, logger } = this.#options;
    this.renewedAt = Number.NEGATIVE_INFINITY;
    try {
      const current = await this.#read();
      if (current?.spec?.holderIdentity !== identity) return;
      await client.update(leases, {
        ...current,
        spec: { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1 },
      });
    } catch (error) {
      logger.info({ lease: `${namespace}/${name}`, error: describeError(error) }, 'lease not released; it expires');
    }
  }

  async #read(): Promise<Lease | undefined> {
    const { client, namespace, name } = this.#options;
    try {
      return await client.get<Lease>(leases, { namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #create(): Promise<boolean> {
    const { client, namespace, name } = this.#options;
    await client.create<Lease>(leases, { metadata: { namespace, name }, spec: this.#spec(0) });
    return true;
  }

  async #take(current: Lease): Promise<boolean> {
    const { client, identity } = this.#options;
    const { holderIdentity: holder = '', leaseTransitions: turns = 0, acquireTime } = current.spec ?? {};
    const ours = holder === identity;
    if (!ours && holder !== '' && !this.#expired(current)) return false;
    const fresh = this.#spec(ours ? turns : turns + 1);
    const spec = ours && acquireTime !== undefined ? { ...fresh, acquireTime } : fresh;
    await client.update<Lease>(leases, { ...current, spec });
    return true;
  }

  #expired(current: Lease): boolean {
    const version = current.metadata.resourceVersion ?? '';
    const now = this.#clock.now();
    if (this.#seen?.version !== version) this.#seen = { version, at: now };
    return now - this.#seen.at > (current.spec?.leaseDurationSeconds ?? 15) * 1000;
  }

  #spec(leaseTransitions: number): NonNullable<Lease['spec']> {
    const { identity, holdSeconds = 15 } = this.#options;
    const now = microTime(this.#clock.now());
    return {
      holderIdentity: identity,
      leaseDurationSeconds: holdSeconds,
      acquireTime: now,
      renewTime: now,
      leaseTransitions,
    };
  }
}

/** Kubernetes' MicroTime. */
const microTime = (now: number): string => new Date(now).toISOString().replace('Z', '000Z');

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error; // an abort only ends the pause
  }
}

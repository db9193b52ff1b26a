import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { table } from '../../base/errors.js';
import type { Running } from '../../base/running.js';
import { listen } from '../../server/listen.js';
import { closeServer } from '../../server/probes.js';
import { type CutReason, EngineCore } from './core.js';
import type { Faults } from './faults.js';
import { Handler } from './http-handler.js';
import { type EngineOptions, type Resolved, resolveOptions } from './options.js';
import { type Seen, SeenLog } from './seen.js';
import { pause } from './ticker.js';

export const engineErrors = table({
  'pool-too-small': {
    status: 500,
    retryable: false,
    says: (m: { tokens: number; maxModelLen: number }) =>
      `the KV cache holds ${m.tokens} tokens, fewer than max_model_len ${m.maxModelLen}; give more blocks or a smaller maxModelLen`,
  },
  'no-model': {
    status: 500,
    retryable: false,
    says: () => 'an engine needs at least one model name; give models: [NAME]',
  },
});

/** Node closes an idle connection this much later than it is told to. */
const nodeAddsMs = 1000;

export interface EngineStats {
  readonly isAlive: boolean;
  readonly diedOf: string | undefined;
  readonly running: number;
  readonly waiting: number;
  /** KV blocks kept after the answer until decode fetches them: 0 when nothing is stranded. */
  readonly blocksHeld: number;
  /** All allocated blocks: held ones and those of running sequences. */
  readonly blocksUsed: number;
  readonly handovers: readonly string[];
  readonly requests: number;
  readonly finished: Readonly<Record<string, number>>;
  readonly transfers: number;
  readonly failedTransfers: number;
  /** Answers made from KV of another prompt, which no real engine can count. */
  readonly wrongTexts: number;
  readonly expired: number;
  readonly connections: number;
}

/** How an engine process ended by itself. */
export interface Exit {
  readonly code: number;
  readonly reason: string;
}

export interface Engine extends Running {
  readonly address: { readonly host: string; readonly port: number };
  readonly url: string;
  readonly engineId: string;
  readonly faults: Faults;
  stats(): EngineStats;
  blocksHeld(): number;
  /** The requests it met, oldest first. */
  seen(): readonly Seen[];
  /** Resolves when `seen()` satisfies the condition. */
  untilSeen(when: (seen: readonly Seen[]) => boolean): Promise<void>;
  /** Resolves when no sequence runs, waits, or is kept for decode; polled, for drains. */
  readonly isIdle: boolean;
  /** Ends the core as a failed assertion does. */
  die(reason?: string): void;
  /** SIGKILL: connections are reset and the side channel is gone. */
  kill(): Promise<void>;
  /** SIGTERM is `stop()`: streams end with finish_reason `abort`, then everything is closed. */
  readonly exited: Promise<Exit>;
}

/** Starts one simulated engine process. The signal is its SIGTERM. */
export async function startEngine(options: EngineOptions, signal: AbortSignal): Promise<Engine> {
  const resolved = resolveOptions(options, randomUUID);
  check(resolved);
  const life = new EngineProcess(resolved, signal);
  const address = await life.open();
  resolved.logger.debug({ address, engineId: resolved.engineId, models: resolved.models }, 'engine listens');
  const { core, handler, seen } = life;
  const stop = () => life.shut('shutdown', { code: 0, reason: 'stopped' });
  return {
    address,
    url: `http://${address.host}:${address.port}`,
    engineId: resolved.engineId,
    faults: resolved.faults,
    ready: Promise.resolve(),
    stats: () => statsOf(core, handler),
    blocksHeld: () => core.handovers.blocks,
    seen: () => seen.entries,
    untilSeen: (when) => seen.until(when),
    get isIdle() {
      return core.running === 0 && core.waiting === 0 && core.handovers.blocks === 0;
    },
    die: (reason = 'told to die') => core.die(reason),
    kill: () => {
      handler.resetAll();
      return life.shut('dead', { code: 137, reason: 'killed' });
    },
    exited: life.exited,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** What is open while an engine runs, and the one way in which all of it closes. */
class EngineProcess {
  readonly core: EngineCore;
  readonly handler: Handler;
  readonly seen: SeenLog;
  readonly exited: Promise<Exit>;
  readonly #options: Resolved;
  readonly #signal: AbortSignal;
  readonly #server: Server;
  #leaveNetwork: () => void = () => undefined;
  #exit: (exit: Exit) => void = () => undefined;
  #closing: Promise<void> | undefined;

  constructor(options: Resolved, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.seen = new SeenLog(options.keepSeen);
    this.core = new EngineCore(options, (why) => void this.#died(why));
    this.handler = new Handler(this.core, options, this.seen);
    const keepAliveTimeout = Math.max(1, options.timing.keepAliveMs - nodeAddsMs);
    this.#server = createServer({ keepAliveTimeout, requestTimeout: 0 }, this.handler.onRequest);
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
  }

  async open(): Promise<{ host: string; port: number }> {
    const { connector, network, advertisedHost, sideChannelPort, podIP } = this.#options;
    if (connector) this.#leaveNetwork = network.bind(advertisedHost, sideChannelPort, podIP, this.core.peer);
    try {
      const address = await listen(this.#server, this.#options);
      this.#signal.addEventListener('abort', this.#onAbort, { once: true });
      if (this.#signal.aborted) this.#onAbort();
      return address;
    } catch (error) {
      this.#leaveNetwork();
      throw error;
    }
  }

  shut(reason: CutReason, exit: Exit): Promise<void> {
    this.#closing ??= this.#close(reason).then(() => this.#exit(exit));
    return this.#closing;
  }

  readonly #onAbort = (): void => void this.shut('shutdown', { code: 0, reason: 'stopped' });

  async #died(why: string): Promise<void> {
    this.#options.logger.error({ why, engineId: this.#options.engineId }, 'engine core died');
    this.#leaveNetwork();
    if (!this.#options.exitWhenDead) return;
    await pause(this.#options.timing.deathMs, this.#signal);
    await this.shut('dead', { code: 1, reason: why });
  }

  async #close(reason: CutReason): Promise<void> {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#leaveNetwork();
    // New connections are refused from here on; those that are open get the end of their answer.
    this.#server.close();
    this.core.cut(reason);
    await this.handler.settled();
    this.core.retire();
    await closeServer(this.#server);
  }
}

function check({ blocks, blockSize, maxModelLen, models }: Resolved): void {
  if (models.length === 0) throw engineErrors('no-model', undefined as never);
  const tokens = (blocks - 1) * blockSize;
  if (tokens < maxModelLen) throw engineErrors('pool-too-small', { tokens, maxModelLen });
}

function statsOf(core: EngineCore, handler: Handler): EngineStats {
  const { counters, handovers, pool } = core;
  return {
    isAlive: core.isAlive,
    diedOf: core.diedOf,
    running: core.running,
    waiting: core.waiting,
    blocksHeld: handovers.blocks,
    blocksUsed: pool.used,
    handovers: handovers.requests,
    requests: counters.requests,
    finished: { ...counters.finished },
    transfers: counters.transfers,
    failedTransfers: counters.failedTransfers,
    wrongTexts: counters.wrongTexts,
    expired: handovers.expired,
    connections: handler.connections,
  };
}

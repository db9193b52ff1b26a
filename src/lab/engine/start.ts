import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { table } from '../../base/errors.js';
import type { Running } from '../../base/running.js';
import { listen } from '../../server/listen.js';
import { closeServer } from '../../server/probes.js';
import { type CutReason, EngineCore } from './core.js';
import { Exchange, readText } from './exchange.js';
import type { Faults } from './faults.js';
import { renderMetrics } from './metrics.js';
import { answerOpenAI } from './openai.js';
import { type EngineOptions, type Resolved, resolveOptions } from './options.js';
import { findRoute } from './routes.js';
import { type Seen, SeenLog } from './seen.js';
import { pause } from './ticker.js';
import { answerTokenize } from './tokenize-route.js';

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

const bodyLimit = 64 * 1024 * 1024;
/** uvicorn's `timeout_keep_alive`. */
const keepAliveMs = 5000;

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
  const seen = new SeenLog(resolved.keepSeen);
  const exit = deferred<Exit>();
  const core = new EngineCore(resolved, (why) => void onDeath(why));
  const leaveNetwork =
    resolved.connector === undefined
      ? () => undefined
      : resolved.network.bind(resolved.advertisedHost, resolved.sideChannelPort, resolved.podIP, core.peer);
  const handler = new Handler(core, resolved, seen);
  const server = createServer({ keepAliveTimeout: keepAliveMs, requestTimeout: 0 }, handler.onRequest);
  const address = await listen(server, resolved).catch((error: unknown) => {
    leaveNetwork();
    throw error;
  });
  resolved.logger.debug({ address, engineId: resolved.engineId, models: resolved.models }, 'engine listens');
  let stopping: Promise<void> | undefined;

  const shut = (reason: CutReason, result: Exit) => {
    stopping ??= closeAll(core, server, handler, reason, leaveNetwork).then(() => {
      signal.removeEventListener('abort', onAbort);
      exit.resolve(result);
    });
    return stopping;
  };
  const stop = () => shut('shutdown', { code: 0, reason: 'stopped' });
  const onAbort = () => void stop();
  async function onDeath(why: string): Promise<void> {
    resolved.logger.error({ why, engineId: resolved.engineId }, 'engine core died');
    leaveNetwork();
    if (!resolved.exitWhenDead) return;
    await pause(resolved.timing.deathMs, signal);
    await shut('dead', { code: 1, reason: why });
  }
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) await stop();
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
      return shut('dead', { code: 137, reason: 'killed' });
    },
    exited: exit.promise,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function check({ blocks, blockSize, maxModelLen, models }: Resolved): void {
  if (models.length === 0) throw engineErrors('no-model', undefined as never);
  const tokens = (blocks - 1) * blockSize;
  if (tokens < maxModelLen) throw engineErrors('pool-too-small', { tokens, maxModelLen });
}

async function closeAll(
  core: EngineCore,
  server: Server,
  handler: Handler,
  reason: CutReason,
  leaveNetwork: () => void,
): Promise<void> {
  leaveNetwork();
  // New connections are refused from here on; those that are open get the end of their answer.
  server.close();
  core.cut(reason);
  await handler.settled();
  core.retire();
  await closeServer(server);
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

/** The HTTP side: finds the route, spends faults, follows the connection's fate. */
class Handler {
  readonly #core: EngineCore;
  readonly #options: Resolved;
  readonly #seen: SeenLog;
  readonly #started: number;
  readonly #open = new Set<Promise<void>>();
  readonly #sockets = new Set<import('node:net').Socket>();

  constructor(core: EngineCore, options: Resolved, seen: SeenLog) {
    this.#core = core;
    this.#options = options;
    this.#seen = seen;
    this.#started = options.clock.now();
  }

  get connections(): number {
    return this.#sockets.size;
  }

  resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async settled(): Promise<void> {
    await Promise.allSettled([...this.#open]);
  }

  readonly onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request;
    if (!this.#sockets.has(socket)) {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    const answered = this.#answer(request, response).catch((error: unknown) => {
      this.#options.logger.error({ err: error, path: request.url }, 'the simulator failed');
      response.destroy();
    });
    this.#open.add(answered);
    void answered.finally(() => this.#open.delete(answered));
  };

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? 'GET';
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const isPreflight = method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
    const found = findRoute(method, path, isPreflight, {
      core: this.#core,
      options: this.#options,
      started: this.#started,
    });
    const works = found.kind === 'chat' || found.kind === 'completion';
    const fault = works ? this.#options.faults.take(path) : undefined;
    const exchange = new Exchange(request, response, fault);
    if (found.kind === 'answer') {
      request.resume();
      exchange.send(found.answer, found.type);
      return;
    }
    if (found.kind === 'metrics') {
      request.resume();
      const body = renderMetrics(this.#core, this.#options);
      exchange.send({ status: 200, body }, 'text/plain; version=1.0.0; charset=utf-8');
      return;
    }
    const text = await readText(request, bodyLimit);
    if (text === undefined) exchange.send({ status: 413, body: '{"detail":"Request Entity Too Large"}' });
    else if (found.kind === 'tokenize') exchange.send(answerTokenize(text, this.#options));
    else await this.#work(found.kind, text, exchange, response);
  }

  async #work(kind: 'chat' | 'completion', text: string, exchange: Exchange, response: ServerResponse): Promise<void> {
    const { request, requestId, fault } = exchange;
    const seen: Seen = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: text,
      requestId,
      ended: 'pending',
      text: '',
    };
    this.#seen.add(seen);
    const cut = new AbortController();
    const onClose = () => {
      if (!response.writableFinished) cut.abort('client');
    };
    response.once('close', onClose);
    try {
      if (await this.#misbehaves(exchange, seen, cut)) return;
      await answerOpenAI(this.#core, this.#options, {
        exchange,
        kind,
        text,
        seen,
        cut,
        dropParams: fault?.kind === 'no-params',
      });
    } finally {
      this.#seen.changed();
    }
  }

  /** Spends a fault that replaces the answer; true when nothing is left to do. */
  async #misbehaves(exchange: Exchange, seen: Seen, cut: AbortController): Promise<boolean> {
    const { fault } = exchange;
    switch (fault?.kind) {
      case 'status': {
        const body =
          fault.body ?? JSON.stringify({ error: { message: 'injected fault', type: 'Fault', code: fault.status } });
        seen.ended = fault.status >= 500 ? 'failed' : 'refused';
        seen.status = fault.status;
        exchange.send({ status: fault.status, body, ...(fault.headers && { headers: fault.headers }) });
        return true;
      }
      case 'hang':
        await this.#core.whileAlive(cut);
        seen.ended = cut.signal.reason === 'client' ? 'aborted' : 'failed';
        return true;
      case 'reset':
        seen.ended = 'failed';
        exchange.reset();
        return true;
      case 'slow':
        await pause(fault.ms, cut.signal);
        return false;
      default:
        return false;
    }
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

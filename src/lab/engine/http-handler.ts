import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { EngineCore } from './core.js';
import { Exchange, readText } from './exchange.js';
import { renderMetrics } from './metrics.js';
import { answerOpenAI } from './openai.js';
import type { Resolved } from './options.js';
import { findRoute } from './routes.js';
import type { Seen, SeenLog } from './seen.js';
import { pause } from './ticker.js';
import { answerTokenize } from './tokenize-route.js';

const bodyLimit = 64 * 1024 * 1024;

/** The HTTP side: finds the route, spends faults, follows the connection's fate. */
export class Handler {
  readonly #core: EngineCore;
  readonly #options: Resolved;
  readonly #seen: SeenLog;
  readonly #started: number;
  readonly #open = new Set<Promise<void>>();
  readonly #sockets = new Set<Socket>();

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
    const context = { core: this.#core, options: this.#options, started: this.#started };
    const found = findRoute(method, path, isPreflight, context);
    const works = found.kind === 'chat' || found.kind === 'completion';
    const exchange = new Exchange(request, response, works ? this.#options.faults.take(path) : undefined);
    if (found.kind === 'answer') {
      request.resume();
      exchange.send(found.answer, found.type);
    } else if (found.kind === 'metrics') {
      request.resume();
      const body = renderMetrics(this.#core, this.#options);
      exchange.send({ status: 200, body }, 'text/plain; version=1.0.0; charset=utf-8');
    } else await this.#answerBody(found.kind, exchange, response);
  }

  async #answerBody(
    kind: 'chat' | 'completion' | 'tokenize',
    exchange: Exchange,
    response: ServerResponse,
  ): Promise<void> {
    const text = await readText(exchange.request, bodyLimit);
    if (text === 'gone') return;
    if (text === 'too-long') exchange.send({ status: 413, body: '{"detail":"Request Entity Too Large"}' });
    else if (kind === 'tokenize') exchange.send(answerTokenize(text.body, this.#options));
    else await this.#work(kind, text.body, exchange, response);
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

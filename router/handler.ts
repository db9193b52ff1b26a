import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TandemError } from '../src/base/errors.js';
import type { PrefixHasher } from '../src/core/pairing/prefix.js';
import type { Logger } from '../src/telemetry/log.js';
import { acceptJob } from './accept-job.js';
import type { Access, AccessLog } from './access-log.js';
import { ClientAnswer } from './client-answer.js';
import type { Directory } from './directory.js';
import type { Job } from './job.js';
import { requestIdOf } from './leg-head.js';
import { modelList } from './model-list.js';
import { OpenList, type Placed } from './open-list.js';
import { asTandemError } from './openai-error.js';
import { ClientLeft, checkContentType, checkDeclared, readBody } from './request-body.js';
import type { Room } from './room.js';
import { routerErrors } from './router-errors.js';
import { serveJob } from './serve-job.js';
import { whyDistrusted } from './strictness.js';

export interface HandlerOptions {
  readonly room: Room;
  readonly directory: Directory;
  readonly hash: PrefixHasher;
  readonly log: AccessLog;
  readonly logger: Logger;
  readonly mintId: () => string;
}

/** One client request while it is open. */
interface Open extends Placed {
  readonly request: IncomingMessage;
  readonly answer: ClientAnswer;
  readonly id: string;
  readonly path: string;
  readonly startedAt: number;
  job: Job | undefined;
  error: string | undefined;
  bytesIn: number;
}

/** From an HTTP request to its answer: paths, limits, and what is said about each request afterwards. */
export class Handler {
  readonly #options: HandlerOptions;
  readonly #open = new OpenList<Open>();
  /** Connections on which a request was refused that another parser may read differently. */
  readonly #distrusted = new WeakSet<object>();
  #bodyBytes = 0;
  #stopping = false;
  #onDrained: (() => void) | undefined;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#open.size;
  }

  get stopping(): string | undefined {
    return this.#stopping ? 'stopping' : undefined;
  }

  beginStop(): void {
    this.#stopping = true;
  }

  /** Resolves when the last open answer is over; those that last longer than the limit end with an error. */
  async drained(limitMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    const timer = setTimeout(() => {
      for (const { answer } of this.#open) answer.fail(routerErrors('stopping', {}));
      this.#options.room.pool.close();
    }, limitMs);
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
    });
    clearTimeout(timer);
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    if (this.#distrusted.has(request.socket)) return; // its connection ends with the refusal before it
    const answer = new ClientAnswer(request, response);
    const id = requestIdOf(request, this.#options.mintId);
    answer.own.push('x-request-id', id);
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const open: Open = {
      request,
      answer,
      id,
      path,
      startedAt: performance.now(),
      job: undefined,
      error: undefined,
      bytesIn: 0,
      at: 0,
    };
    this.#open.add(open);
    if (this.#stopping) answer.own.push('connection', 'close');
    this.#toItsEnd(open).catch((error: unknown) =>
      this.#options.logger.error({ err: error }, 'a request could not be accounted for'),
    );
  }

  async #toItsEnd(open: Open): Promise<void> {
    try {
      await this.#serve(open);
    } catch (error) {
      this.#failed(open, error);
    } finally {
      this.#close(open);
    }
  }

  async #serve(open: Open): Promise<void> {
    const { room, directory } = this.#options;
    const { request, answer, path } = open;
    const distrust = whyDistrusted(request);
    if (distrust) {
      this.#distrusted.add(request.socket);
      throw distrust;
    }
    if (request.method === 'OPTIONS') {
      answer.sendEmpty(204, ['allow', 'GET, HEAD, OPTIONS, POST']);
      return;
    }
    if (!path.startsWith('/v1/'))
      throw routerErrors('unknown-path', { method: request.method ?? '', path: path.slice(0, 200) });
    if (path === '/v1/models' || path.startsWith('/v1/models/')) {
      answer.send(200, ['content-type', 'application/json'], modelList(request, path, directory.routes.models));
      return;
    }
    if (request.method !== 'POST') {
      answer.own.push('allow', 'POST');
      throw routerErrors('wrong-method', { method: request.method ?? '', path: path.slice(0, 200), allowed: 'POST' });
    }
    checkDeclared(request, room.limits.bodyBytes);
    this.#admit(Number(request.headers['content-length'] ?? 0));
    checkContentType(request);
    answer.askForBody();
    const bytes = await readBody(request, room.limits.bodyBytes, (more) => this.#take(open, more));
    open.job = acceptJob(this.#options, request, bytes, open);
    open.error = await serveJob(room, open.job, path);
  }

  #admit(bodyBytes: number): void {
    const { room, directory } = this.#options;
    const { requestsInFlight, bodyBytesInFlight } = room.limits;
    if (this.#stopping) throw routerErrors('stopping', {});
    if (this.#open.size > requestsInFlight) throw routerErrors('overloaded', { has: `${requestsInFlight} requests` });
    if (this.#bodyBytes + bodyBytes > bodyBytesInFlight) {
      throw routerErrors('overloaded', { has: `${bodyBytesInFlight} bytes of requests` });
    }
    const why = directory.notReady;
    if (why !== undefined) throw routerErrors('not-ready', { why });
  }

  /** Counts a stretch of a body as held, when there is room for it. */
  #take(open: Open, bytes: number): TandemError | undefined {
    const { bodyBytesInFlight } = this.#options.room.limits;
    if (this.#bodyBytes + bytes > bodyBytesInFlight) {
      return routerErrors('overloaded', { has: `${bodyBytesInFlight} bytes of requests` });
    }
    this.#bodyBytes += bytes;
    open.bytesIn += bytes;
    return undefined;
  }

  #failed(open: Open, thrown: unknown): void {
    if (thrown instanceof ClientLeft) return;
    const error = asTandemError(thrown);
    open.error = error.code;
    if (error.code === 'internal') this.#options.logger.error({ err: thrown, id: open.id }, error.message);
    // Reading a body of any size only to throw it away would be the attack itself.
    const isLast = this.#distrusted.has(open.request.socket) || !open.request.complete;
    if (isLast && !this.#stopping) open.answer.own.push('connection', 'close');
    open.answer.fail(error);
  }

  #close(open: Open): void {
    open.answer.onLeave(undefined);
    this.#open.delete(open);
    this.#bodyBytes -= open.bytesIn;
    this.#account(open);
    if (this.#open.size === 0) this.#onDrained?.();
  }

  #account({ request, answer, job, id, path, startedAt, error, bytesIn }: Open): void {
    const { room, directory, log } = this.#options;
    // 499, as nginx says it: the client did not wait for an answer.
    const status = answer.status === 0 ? 499 : answer.status;
    const ms = performance.now() - startedAt;
    const model = job && directory.routes.knows(job.model) ? job.model : 'unknown';
    room.metrics.request(model, status, ms);
    if (job) room.metrics.served(model, job);
    const at = room.clock.now();
    const { bytes: bytesOut } = answer;
    const ended = endOf(answer, error);
    log.add({ at, id, method: request.method ?? '', path, status, ms, bytesIn, bytesOut, ended, error, job });
  }
}

function endOf(answer: ClientAnswer, error: string | undefined): Access['ended'] {
  if (answer.clientLeft) return 'client-left';
  return error === undefined ? 'complete' : 'failed';
}

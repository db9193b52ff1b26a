import type { PrefixHasher } from '../src/core/pairing/prefix.js';
import type { Logger } from '../src/telemetry/log.js';
import { acceptJob } from './accept-job.js';
import type { Access, AccessLog } from './access-log.js';
import type { BodyRoom } from './body-room.js';
import { type Carrier, ClientLeft, type ClientRequest } from './client/carrier.js';
import type { RequestHead } from './client/request-head.js';
import { ClientAnswer } from './client-answer.js';
import type { Directory } from './directory.js';
import { bodyMemory } from './http/body-memory.js';
import type { Job } from './job.js';
import { requestIdOf } from './leg-head.js';
import { modelList } from './model-list.js';
import { OpenList, type Placed } from './open-list.js';
import { asTandemError } from './openai-error.js';
import { isModelList, refusal } from './paths.js';
import { checkContentType, checkDeclared } from './request-body.js';
import type { Room } from './room.js';
import { routerErrors } from './router-errors.js';
import { serveJob } from './serve-job.js';

export interface HandlerOptions {
  readonly room: Room;
  readonly directory: Directory;
  readonly hash: PrefixHasher;
  readonly log: AccessLog;
  readonly logger: Logger;
  readonly mintId: () => string;
}

/** One client request while it is open. */
class Open implements Placed, BodyRoom {
  at = 0;
  readonly startedAt = performance.now();
  readonly request: ClientRequest;
  readonly head: RequestHead;
  readonly answer: ClientAnswer;
  readonly id: string;
  job: Job | undefined;
  error: string | undefined;
  bytesIn = 0;
  readers = 0;
  body: Buffer | undefined;
  readonly #bodies: Bodies;
  #held = 0;

  constructor(bodies: Bodies, request: ClientRequest, answer: ClientAnswer, id: string) {
    this.#bodies = bodies;
    this.request = request;
    this.head = request.head;
    this.answer = answer;
    this.id = id;
  }

  /** Counts a stretch of the body, which is held from here on. */
  take(bytes: number): void {
    this.bytesIn += bytes;
    this.#held += bytes;
    this.#bodies.bytes += bytes;
  }

  /** An engine that answers before it has the whole request may still be sent the rest: that memory is left to the collector. */
  release(): void {
    this.#bodies.bytes -= this.#held;
    this.#held = 0;
    if (this.body && this.readers === 0) bodyMemory.giveBack(this.body);
    this.body = undefined;
  }
}

/** All bodies that are held. */
interface Bodies {
  bytes: number;
}

/** From an HTTP request to its answer: paths, limits, and what is said about each request afterwards. */
export class Handler {
  readonly #options: HandlerOptions;
  readonly #open = new OpenList<Open>();
  readonly #bodies: Bodies = { bytes: 0 };
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
      const error = routerErrors('stopping', {});
      for (const open of this.#open) {
        open.error = error.code;
        open.answer.fail(error);
      }
      this.#options.room.pool.close();
    }, limitMs);
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
    });
    clearTimeout(timer);
  }

  handle(request: ClientRequest, carrier: Carrier): void {
    const { head } = request;
    const answer = new ClientAnswer(carrier);
    const id = requestIdOf(head, this.#options.mintId);
    answer.own = `x-request-id: ${id}\r\n`;
    const open = new Open(this.#bodies, request, answer, id);
    this.#open.add(open);
    void this.#toItsEnd(open);
  }

  /** Never rejects: what fails is answered, and what fails then is logged. */
  async #toItsEnd(open: Open): Promise<void> {
    try {
      const error = this.#answersItself(open) ? undefined : await this.#serve(open);
      open.error ??= error; // what a stop has ended is no engine's fault
    } catch (error) {
      this.#failed(open, error);
    }
    try {
      this.#close(open);
    } catch (error) {
      this.#options.logger.error({ err: error }, 'a request could not be accounted for');
    }
  }

  /** What needs no engine. True when the request has been answered. */
  #answersItself({ head, answer }: Open): boolean {
    const { method, path } = head;
    if (method === 'OPTIONS') {
      answer.send(204, 'allow: GET, HEAD, OPTIONS, POST\r\n', undefined);
      return true;
    }
    if (isModelList(path) && (method === 'GET' || method === 'HEAD')) {
      const list = modelList(head, this.#options.directory.routes.models);
      answer.send(200, 'content-type: application/json\r\n', Buffer.from(list));
      return true;
    }
    if (method === 'POST' && path.startsWith('/v1/') && !isModelList(path)) return false;
    const { allow, error } = refusal(method, path);
    if (allow !== undefined) answer.own += `allow: ${allow}\r\n`;
    throw error;
  }

  async #serve(open: Open): Promise<string | undefined> {
    const { room } = this.#options;
    const { request, head, answer } = open;
    checkDeclared(head, room.limits.bodyBytes);
    this.#admit(head.framing.by === 'length' ? head.framing.bytes : 0);
    checkContentType(head);
    if (head.expectsContinue) answer.askForBody();
    const read = request.readBody((more) => this.#take(open, more));
    const bytes = read instanceof Buffer ? read : await read;
    open.body = bytes;
    const job = acceptJob(this.#options, head, bytes, open);
    open.job = job;
    return serveJob(room, job, head.path);
  }

  #admit(bodyBytes: number): void {
    const { room, directory } = this.#options;
    const { requestsInFlight, bodyBytesInFlight } = room.limits;
    if (this.#stopping) throw routerErrors('stopping', {});
    if (this.#open.size > requestsInFlight) throw routerErrors('overloaded', { has: `${requestsInFlight} requests` });
    if (this.#bodies.bytes + bodyBytes > bodyBytesInFlight) {
      throw routerErrors('overloaded', { has: `${bodyBytesInFlight} bytes of requests` });
    }
    const why = directory.notReady;
    if (why !== undefined) throw routerErrors('not-ready', { why });
  }

  /** Counts a stretch of a body as held, when there is room for it. */
  #take(open: Open, bytes: number): void {
    const { bodyBytes, bodyBytesInFlight } = this.#options.room.limits;
    if (open.bytesIn + bytes > bodyBytes) throw routerErrors('body-too-large', { limit: bodyBytes });
    if (this.#bodies.bytes + bytes > bodyBytesInFlight) {
      throw routerErrors('overloaded', { has: `${bodyBytesInFlight} bytes of requests` });
    }
    open.take(bytes);
  }

  #failed(open: Open, thrown: unknown): void {
    if (thrown instanceof ClientLeft) return;
    const error = asTandemError(thrown);
    open.error = error.code;
    if (error.code === 'internal') this.#options.logger.error({ err: thrown, id: open.id }, error.message);
    open.answer.fail(error);
  }

  #close(open: Open): void {
    open.answer.whenLeft(undefined);
    this.#open.delete(open);
    open.release();
    this.#account(open);
    if (this.#open.size === 0) this.#onDrained?.();
  }

  #account({ head, answer, job, id, startedAt, error, bytesIn }: Open): void {
    const { room, directory, log } = this.#options;
    // 499, as nginx says it: the client did not wait for an answer.
    const status = answer.status === 0 ? 499 : answer.status;
    const ms = performance.now() - startedAt;
    // What asks for no model says nothing about how models are served.
    const unnamed = head.method === 'POST' ? 'unknown' : 'none';
    const model = job && directory.routes.knows(job.model) ? job.model : unnamed;
    room.metrics.request(model, status, ms);
    if (job) room.metrics.served(model, job);
    const at = room.clock.now();
    const { bytes: bytesOut } = answer;
    const ended = endOf(answer, error);
    const { method, path } = head;
    log.add({ at, id, method, path, status, ms, bytesIn, bytesOut, ended, error, job });
  }
}

function endOf(answer: ClientAnswer, error: string | undefined): Access['ended'] {
  if (answer.clientLeft || answer.status === 0 || error === 'slow-client') return 'client-left';
  return error === undefined ? 'complete' : 'failed';
}

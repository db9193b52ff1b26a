import type { TLSSocket } from 'node:tls';
import type { BodyBudget } from './body.js';
import { type HttpAnswer, spelled } from './http-answer.js';
import { type PlainHead, readPlainHead } from './plain-head.js';

export interface LaneOptions {
  /** Answers a whole body; undefined for a path that is not a webhook's. */
  readonly answerer: (path: string) => ((body: Buffer) => Promise<HttpAnswer>) | undefined;
  readonly budget: BodyBudget;
  /** Takes a connection over for good; what it has sent so far can be read from it. */
  readonly takeOver: (socket: TLSSocket) => void;
  readonly handedOver: () => void;
  /** Milliseconds that a connection may keep silent after an answer. */
  readonly idleTimeout: number;
}

/** Milliseconds that a connection may take for a request before somebody else minds its time. */
const patience = 1_000;

/**
 * Connections on which only plain requests come, each whole before it is answered: what an API server does. Reading and
 * answering these takes half of what Node's HTTP server takes. At the first sign of anything else, of haste (a second
 * request before the answer to the first), of slowness or of want of memory, a connection is handed over with every byte
 * that it has sent: so this lane refuses nobody, and Node's server alone knows what is wrong with a request.
 */
export class PlainLane {
  readonly #options: LaneOptions;
  readonly #connections = new Set<Connection>();
  readonly #look: NodeJS.Timeout;
  #closing = false;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#look = setInterval(() => this.#handOverSlow(), patience).unref();
  }

  take(socket: TLSSocket): void {
    const connection = new Connection(socket, this.#options, () => this.#closing);
    this.#connections.add(connection);
    connection.ended = () => this.#connections.delete(connection);
  }

  /** Ends those that wait for nothing, and from now on each after its answer. */
  closeIdle(): void {
    this.#closing = true;
    for (const connection of this.#connections) if (connection.isIdle) connection.destroy();
  }

  closeAll(): void {
    for (const connection of this.#connections) connection.destroy();
    clearInterval(this.#look);
  }

  #handOverSlow(): void {
    const before = performance.now() - patience;
    for (const connection of this.#connections) if (connection.since < before) connection.handOver();
    if (this.#closing && this.#connections.size === 0) clearInterval(this.#look);
  }
}

interface Request {
  readonly answer: (body: Buffer) => Promise<HttpAnswer>;
  readonly body: Buffer;
}

type State = 'reading' | 'deciding' | 'leaving';
const never = Number.POSITIVE_INFINITY;

class Connection {
  /** When its request began, by `performance.now()`; `never` between requests and while one is decided. */
  since = performance.now();
  ended: () => void = () => undefined;
  readonly #socket: TLSSocket;
  readonly #options: LaneOptions;
  readonly #isClosing: () => boolean;
  #state: State = 'reading';
  #pieces: Buffer[] = [];
  #held = 0;
  #head: PlainHead | undefined;

  constructor(socket: TLSSocket, options: LaneOptions, isClosing: () => boolean) {
    this.#socket = socket;
    this.#options = options;
    this.#isClosing = isClosing;
    socket.setNoDelay(true);
    socket.setTimeout(options.idleTimeout);
    socket.on('data', this.#onData).on('timeout', this.destroy).on('end', this.#onEnd);
    socket.on('error', this.destroy).on('close', this.#onClose);
  }

  get isIdle(): boolean {
    return this.#state === 'reading' && this.#held === 0;
  }

  readonly destroy = (): void => {
    this.#socket.destroy();
  };

  /** Leaves the connection to Node's server, once all that comes at this moment is here. */
  handOver(): void {
    if (this.#state !== 'reading') return;
    this.#state = 'leaving';
    this.since = never;
    setImmediate(() => this.#leave());
  }

  readonly #onData = (piece: Buffer): void => {
    this.#hold(piece);
    if (this.#state === 'reading') this.#advance();
    // Whoever sends on before the answer is not read further until it is there.
    else this.#socket.pause();
  };

  /** Who has said all gets no answer any more, as from Node's server. */
  readonly #onEnd = (): void => {
    this.#socket.end();
  };

  readonly #onClose = (): void => {
    this.#forget();
    this.ended();
  };

  #advance(): void {
    const request = this.#read();
    if (request === undefined) this.handOver();
    else if (request !== 'incomplete') void this.#decide(request);
    else if (this.since === never) this.since = performance.now();
  }

  /** The request when all of it is here; undefined for one that Node's server is to answer. */
  #read(): Request | 'incomplete' | undefined {
    const { budget, answerer } = this.#options;
    if (!budget.hasRoomFor(0) || this.#socket.writableNeedDrain) return undefined;
    const head = this.#head ?? readPlainHead(this.#whole());
    if (head === undefined || head === 'incomplete') return head;
    this.#head = head;
    const missing = head.bodyAt + head.length - this.#held;
    if (missing > 0) return 'incomplete';
    const answer = missing === 0 ? answerer(head.path) : undefined;
    return answer && { answer, body: this.#whole().subarray(head.bodyAt) };
  }

  async #decide({ answer, body }: Request): Promise<void> {
    this.#state = 'deciding';
    this.since = never;
    const given = await answer(body);
    const ends = given.ends || this.#isClosing();
    // The first piece is the request.
    const later = this.#pieces.slice(1);
    this.#forget();
    if (!this.#socket.writable) return;
    this.#socket.write(spelled(given, ends), 'latin1');
    if (ends) this.#socket.end();
    this.#state = 'reading';
    this.#head = undefined;
    if (later.length > 0) this.handOver();
    for (const piece of later) this.#hold(piece);
  }

  #whole(): Buffer {
    const [first] = this.#pieces;
    if (this.#pieces.length === 1 && first) return first;
    const whole = Buffer.concat(this.#pieces, this.#held);
    this.#pieces = [whole];
    return whole;
  }

  #hold(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#held += piece.length;
    this.#options.budget.take(piece.length);
  }

  #forget(): void {
    this.#options.budget.give(this.#held);
    this.#pieces = [];
    this.#held = 0;
  }

  #leave(): void {
    const socket = this.#socket;
    this.ended();
    const sent = this.#whole();
    this.#forget();
    if (socket.destroyed) return;
    socket.off('data', this.#onData).off('timeout', this.destroy).off('end', this.#onEnd);
    socket.off('error', this.destroy).off('close', this.#onClose);
    this.#options.handedOver();
    socket.setTimeout(0);
    socket.pause();
    if (sent.length > 0) socket.unshift(sent);
    this.#options.takeOver(socket);
    socket.resume();
  }
}

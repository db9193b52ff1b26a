import type { Socket } from 'node:net';
import type { Framing } from '../engine/response-head.js';
import { joined, mostJoined } from '../http/joined.js';
import { type Message, pendingWrites, type Sent } from '../http/pending-writes.js';
import { statusLine } from './answer-text.js';
import type { Carrier, CarrierListener } from './carrier.js';
import type { RequestHead } from './request-head.js';

/** The connection that an answer is written to. */
export interface AnsweringConnection {
  /** The request that is answered. */
  readonly head: RequestHead;
  /** The client waits to be told that its body is wanted, and has not sent all of it. */
  readonly waitsForContinue: boolean;
  /** Header lines that speak of the connection. Decides whether this answer is its last; `endsByClose`: it must be. */
  ofConnection(endsByClose: boolean): string;
  /** Changes whenever the client takes something of what waits for it. */
  readonly progress: number;
  /** The answer is complete. */
  answered(): void;
  /** Breaks off, so that nobody can take the end of the connection for the end of the answer. */
  destroy(): void;
}

const lastChunk = '0\r\n\r\n';

/** An answer whose body is there. */
class WholeAnswer implements Message {
  readonly #head: string;
  readonly #body: Buffer;

  constructor(head: string, body: Buffer) {
    this.#head = head;
    this.#body = body;
  }

  writeTo(socket: Socket, sent: Sent): void {
    if (this.#head.length <= mostJoined && this.#body.length <= mostJoined) {
      joined.begin(this.#body).copy(0, this.#body.length);
      joined.write(socket, '', this.#head, sent);
      return;
    }
    // The kernel gathers both: nothing is copied.
    socket.cork();
    socket.write(this.#head, 'latin1');
    socket.write(this.#body, sent);
    socket.uncork();
  }
}

/** Writes the answers of one HTTP/1.1 connection, one after another. */
export class H1Answer implements Carrier {
  takesFraming = false;
  listener: CarrierListener | undefined;
  readonly #socket: Socket;
  readonly #connection: AnsweringConnection;
  /** Head of an answer that waits for its first bytes of body. */
  #begun = '';
  /** The body gets chunk framing here. */
  #wraps = false;

  constructor(socket: Socket, connection: AnsweringConnection) {
    this.#socket = socket;
    this.#connection = connection;
  }

  get backlog(): number {
    return this.#socket.writableLength;
  }

  get progress(): number {
    return this.#connection.progress;
  }

  listen(listener: CarrierListener): void {
    this.listener = listener;
  }

  sendContinue(): void {
    if (this.#connection.waitsForContinue) this.#put('HTTP/1.1 100 Continue\r\n\r\n');
  }

  sendWhole(status: number, headers: string, body: Buffer | undefined): void {
    const size = body === undefined ? '' : `content-length: ${body.length}\r\n`;
    const head = `${statusLine(status)}${headers}${this.#connection.ofConnection(false)}${size}\r\n`;
    if (body === undefined || this.#connection.head.method === 'HEAD') this.#put(head);
    else pendingWrites.put(this.#socket, new WholeAnswer(head, body));
    this.#answered();
  }

  begin(status: number, headers: string, framing: Framing): void {
    const { readsChunks } = this.#connection.head;
    const isCounted = framing.by === 'length';
    this.takesFraming = framing.by === 'chunks' && readsChunks;
    this.#wraps = !isCounted && readsChunks;
    // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
    const ofConnection = this.#connection.ofConnection(!isCounted && !readsChunks);
    const how = isCounted
      ? `content-length: ${framing.bytes}\r\n`
      : this.#wraps
        ? 'transfer-encoding: chunked\r\n'
        : '';
    this.#begun = `${statusLine(status)}${headers}${ofConnection}${how}\r\n`;
  }

  write(payload: Buffer | string): boolean {
    if (!this.#wraps) return this.passFramed(payload);
    if (payload.length === 0) return true;
    const size = `${payload.length.toString(16)}\r\n`;
    if (typeof payload === 'string') return this.passFramed(`${size}${payload}\r\n`);
    return this.passFramed(Buffer.concat([Buffer.from(size), payload, Buffer.from('\r\n')]));
  }

  passFramed(framed: Buffer | string): boolean {
    const head = this.#begun;
    this.#begun = '';
    if (typeof framed === 'string') return this.#put(head === '' ? framed : head + framed);
    if (head !== '') this.#put(head);
    return this.#put(framed);
  }

  end(): void {
    const rest = this.#begun + (this.#wraps ? lastChunk : '');
    this.#begun = '';
    if (rest !== '') this.#put(rest);
    this.#answered();
  }

  cut(): void {
    pendingWrites.flush();
    this.#connection.destroy();
  }

  #put(payload: string | Buffer): boolean {
    return pendingWrites.put(this.#socket, payload);
  }

  #answered(): void {
    this.listener = undefined;
    this.#connection.answered();
  }
}

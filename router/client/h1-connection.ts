import type { Socket } from 'node:net';
import { TandemError } from '../../src/base/errors.js';
import { pendingWrites } from '../http/pending-writes.js';
import type { Placed } from '../open-list.js';
import { routerErrors } from '../router-errors.js';
import { lastAnswer } from './answer-text.js';
import { BodyReader } from './body-reader.js';
import { type Carrier, ClientLeft, type ClientRequest, type Take } from './carrier.js';
import { type AnsweringConnection, H1Answer } from './h1-answer.js';
import { type ConnectionLimits, limitOf, type Phase, waitsForClient } from './h1-phase.js';
import { HeadBytes } from './head-bytes.js';
import { progressOf } from './progress.js';
import { parseRequestHead, type RequestHead } from './request-head.js';

export interface ConnectionOwner {
  readonly limits: ConnectionLimits;
  /** No connection takes another request. */
  readonly isStopping: boolean;
  onRequest(request: ClientRequest, carrier: Carrier): void;
  /** A request was refused before anybody else could see it. */
  onRefused(error: TandemError): void;
  onClosed(connection: H1Connection): void;
}

interface Reading {
  readonly take: Take;
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: Error) => void;
}

/** What a client may send ahead of an answer before it is no longer read. */
const mostAhead = 64 * 1024;
const none = Buffer.alloc(0);
const ignore: Take = () => undefined;

/**
 * One client's connection: request after request, each answered before the next one is looked at, so that nothing a client
 * sends ahead can come between. It is the request that is open; there is one at a time.
 */
export class H1Connection implements AnsweringConnection, ClientRequest, Placed {
  at = 0;
  readonly answer: H1Answer;
  readonly #socket: Socket;
  readonly #raw: Socket;
  readonly #owner: ConnectionOwner;
  readonly #headBytes: HeadBytes;
  #phase: Phase = 'fresh';
  /** When the phase began, or the client last took something; of a head and its body, when its first byte came. */
  #since = performance.now();
  /** How far the client had come at the last look. */
  #seen = 0;
  #head: RequestHead | undefined;
  #body: BodyReader | undefined;
  #reading: Reading | undefined;
  /** Came while an answer was due, and has not been looked at. */
  #ahead: Buffer = none;
  #isLast = false;
  /** Nothing but the end of the connection tells the client that it has the whole answer. */
  #endsByClose = false;

  /**
   * @param socket whose bytes are brought by `receive`
   * @param raw what carries the bytes: of TLS, the socket below
   */
  constructor(socket: Socket, owner: ConnectionOwner, raw = socket) {
    this.#socket = socket;
    this.#raw = raw;
    this.#owner = owner;
    this.answer = new H1Answer(socket, this);
    this.#headBytes = new HeadBytes(owner.limits.headerBytes);
    socket.on('drain', () => this.#onDrain());
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => undefined); // the client is gone: `close` follows
    socket.on('close', () => this.#onClose());
  }

  get head(): RequestHead {
    if (!this.#head) throw new Error('no request is open on this connection');
    return this.#head;
  }

  /** The body is here to its last byte, or there is none. */
  get #isWhole(): boolean {
    return this.#body?.isDone ?? true;
  }

  get waitsForContinue(): boolean {
    const { framing, readsChunks } = this.head;
    if (!readsChunks) return false; // HTTP/1.0 knows no interim answers (RFC 9110 10.1.1)
    return framing.by === 'chunks' || this.#ahead.length < framing.bytes;
  }

  readBody(take: Take): Buffer | Promise<Buffer> {
    const body = this.#body;
    if (!body) throw new Error('a body can be read once');
    this.#feed(body, take);
    if (body.isDone) return body.takeBody();
    this.#phase = 'body';
    return new Promise((resolve, reject) => {
      this.#reading = { take, resolve, reject };
    });
  }

  get progress(): number {
    return progressOf(this.#socket, this.#raw);
  }

  /** Ends what takes too long; to be called now and then. */
  checkTime(now: number): void {
    const isBehind = waitsForClient(this.#phase) && this.#socket.writableLength > 0;
    if (isBehind) this.#noteProgress(now);
    const limit = limitOf(this.#phase, isBehind, this.#owner.limits);
    if (limit === 0 || now - this.#since < limit) return;
    if (this.#phase === 'body') this.#failBody(routerErrors('request-timeout', {}));
    else if (this.#phase === 'fresh' || this.#phase === 'head') this.#refuse(routerErrors('request-timeout', {}));
    else this.destroy();
  }

  /** A client that takes something of its answers is waited for. */
  #noteProgress(now: number): void {
    const { progress } = this;
    if (progress !== this.#seen) this.#since = now;
    this.#seen = progress;
  }

  /** Takes no further request: at once when none is open, else after the answer. */
  finish(): void {
    if (this.#phase === 'busy' || this.#phase === 'body') this.#isLast = true;
    else this.#close();
  }

  destroy(): void {
    const isWhole = this.#phase === 'closing' && this.#socket.writableLength === 0;
    if (this.#endsByClose && !isWhole) this.#raw.resetAndDestroy();
    else this.#socket.destroy();
  }

  /** Takes what the client sent. The bytes may change afterwards: what is kept is copied. */
  receive(bytes: Buffer): void {
    switch (this.#phase) {
      case 'closing':
        break; // read, so that a reset does not take the answer away, and not looked at
      case 'body':
        this.#onBody(bytes);
        break;
      case 'busy':
      case 'ahead':
        this.#keepAhead(bytes);
        break;
      case 'idle':
        this.#onNext(bytes);
        break;
      case 'fresh':
      case 'head':
        this.#onHeadBytes(bytes);
    }
  }

  /** Whoever asks and does not read would fill the memory with answers. */
  #onNext(bytes: Buffer): void {
    if (!this.#socket.writableNeedDrain) {
      this.#onHeadBytes(bytes);
      return;
    }
    this.#phase = 'ahead';
    this.#since = performance.now();
    this.#keepAhead(bytes);
  }

  #keepAhead(bytes: Buffer): void {
    this.#ahead = Buffer.concat([this.#ahead, bytes]);
    if (this.#ahead.length > mostAhead) this.#socket.pause();
  }

  #onHeadBytes(bytes: Buffer, cameAhead = false): void {
    if (this.#phase !== 'head') {
      this.#phase = 'head';
      this.#since = performance.now();
    }
    try {
      const found = this.#headBytes.push(bytes);
      if (!found) return;
      this.#head = parseRequestHead(found.bytes.toString('latin1', found.from, found.end + 2));
      this.#ahead = found.bytes.subarray(found.end + 4);
    } catch (error) {
      if (!(error instanceof TandemError)) throw error;
      this.#owner.onRefused(error);
      // What nobody asked for gets no answer that a client could take for one to its request.
      if (cameAhead) this.#close();
      else this.#explain(error);
      return;
    }
    this.#body = new BodyReader(this.#head.framing);
    this.#phase = 'busy';
    this.#isLast = !this.#head.keepAlive;
    this.#owner.onRequest(this, this.answer);
    this.#keepRest();
  }

  /** Most requests have taken all that came with their head, in the same call. */
  #keepRest(): void {
    if (this.#ahead.length > 0) this.#ahead = Buffer.from(this.#ahead);
  }

  /** Gives the body what has come ahead, and takes back what follows it. */
  #feed(body: BodyReader, take: Take): void {
    const bytes = this.#ahead;
    if (bytes.length === 0 || body.isDone) return;
    this.#ahead = none;
    body.push(bytes, take);
    this.#ahead = body.rest;
  }

  #onBody(bytes: Buffer): void {
    const body = this.#body;
    const reading = this.#reading;
    if (!body || !reading) return;
    try {
      body.push(bytes, reading.take);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#failBody(error);
      return;
    }
    if (!body.isDone) return;
    this.#ahead = body.rest;
    this.#keepRest();
    this.#phase = 'busy';
    this.#reading = undefined;
    reading.resolve(body.takeBody());
  }

  #failBody(error: Error): void {
    const reading = this.#reading;
    if (!reading) return;
    this.#reading = undefined;
    this.#phase = 'busy';
    reading.reject(error);
  }

  ofConnection(endsByClose: boolean): string {
    this.#skipBody();
    this.#endsByClose = endsByClose;
    if (endsByClose || !this.#isWhole || this.#owner.isStopping) this.#isLast = true;
    if (this.#isLast) return 'connection: close\r\n';
    return this.#head?.readsChunks === false ? 'connection: keep-alive\r\n' : '';
  }

  /** A body that nobody asked for is passed over where it has come already. Waiting for the rest would be the attack itself. */
  #skipBody(): void {
    if (!this.#body || this.#isWhole || this.#phase === 'body') return;
    try {
      this.#feed(this.#body, ignore);
    } catch (error) {
      if (!(error instanceof TandemError)) throw error;
      this.#isLast = true;
    }
  }

  answered(): void {
    this.#head = undefined;
    this.#body = undefined;
    if (this.#isLast) {
      this.#close();
      return;
    }
    this.#since = performance.now();
    this.#phase = this.#ahead.length > 0 ? 'ahead' : 'idle';
    if (this.#phase === 'ahead') this.#goOnSoon();
  }

  #onDrain(): void {
    if (this.#phase === 'ahead') this.#goOnSoon();
    else this.answer.listener?.onDrain();
  }

  /** In a turn of its own, after the answer has been written: a thousand requests sent at once must not answer each other to any depth. */
  #goOnSoon(): void {
    setImmediate(() => this.#goOn());
  }

  /** Looks at what came ahead of the last answer. */
  #goOn(): void {
    if (this.#phase !== 'ahead' || this.#socket.writableNeedDrain) return;
    const bytes = this.#ahead;
    this.#ahead = none;
    if (this.#socket.isPaused()) this.#socket.resume();
    this.#onHeadBytes(bytes, true);
  }

  #refuse(error: TandemError): void {
    this.#owner.onRefused(error);
    this.#explain(error);
  }

  /** The last answer, with what was wrong. */
  #explain(error: TandemError): void {
    pendingWrites.put(this.#socket, lastAnswer(error));
    this.#close();
  }

  #close(): void {
    if (this.#phase === 'closing') return;
    this.#failBody(new ClientLeft());
    this.#phase = 'closing';
    this.#since = performance.now();
    this.#ahead = none;
    this.#socket.resume();
    pendingWrites.flush();
    this.#socket.end(() => {
      this.#since = performance.now();
    });
  }

  #onEnd(): void {
    switch (this.#phase) {
      case 'head':
        this.#refuse(routerErrors('bad-http', { why: 'it ends in the middle of its head' }));
        break;
      case 'body':
        this.#leaveBody();
        break;
      case 'busy':
        this.#socket.destroy();
        break;
      case 'fresh':
      case 'idle':
      case 'ahead':
        this.#close();
        break;
      case 'closing':
    }
  }

  /** It counts as a client that left. It may have closed only its own side: then it reads why nothing follows. */
  #leaveBody(): void {
    this.#failBody(new ClientLeft());
    this.#explain(routerErrors('bad-http', { why: 'it ends in the middle of its body' }));
  }

  #onClose(): void {
    const { listener } = this.answer;
    this.answer.listener = undefined;
    this.#owner.onClosed(this);
    this.#failBody(new ClientLeft());
    this.#phase = 'closing';
    listener?.onLeave();
  }
}

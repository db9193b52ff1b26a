import type { Socket } from 'node:net';
import { TandemError } from '../../src/base/errors.js';
import type { Framing } from '../engine/response-head.js';
import type { Placed } from '../open-list.js';
import { routerErrors } from '../router-errors.js';
import { dateLine, errorAnswer, statusLine } from './answer-text.js';
import { BodyReader } from './body-reader.js';
import { type Carrier, type CarrierListener, ClientLeft, type ClientRequest, type Take } from './carrier.js';
import { HeadBytes } from './head-bytes.js';
import { parseRequestHead, type RequestHead } from './request-head.js';

export interface ConnectionLimits {
  readonly headerBytes: number;
  /** Milliseconds from a request's first byte, or from the connection, to the end of its head; 0 for no limit. */
  readonly headMs: number;
  /** From a request's first byte to its last; 0 for no limit. */
  readonly requestMs: number;
  /** Between two requests. */
  readonly keepAliveMs: number;
  /** How long a client may take nothing of a last answer. */
  readonly slowClientMs: number;
}

export interface ConnectionOwner {
  readonly limits: ConnectionLimits;
  /** No connection takes another request. */
  readonly isStopping: boolean;
  onRequest(connection: H1Connection): void;
  /** A request was refused before anybody else could see it. */
  onRefused(error: TandemError): void;
  onClosed(connection: H1Connection): void;
}

/** `held`: bytes of a head; `body`: somebody reads a body; `busy`: an answer is due; `closing`: nothing is read any more. */
type Phase = 'fresh' | 'head' | 'body' | 'busy' | 'idle' | 'closing';

interface Reading {
  readonly take: Take;
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: Error) => void;
}

/** How long a client whose connection ends has to read its answer and to close its own side. */
const lingerMs = 1000;
/** What a client may send ahead of an answer before it is no longer read. */
const mostAhead = 64 * 1024;
/** A body that fits is written in one piece with its head. */
const joinUpTo = 16 * 1024;
const none = Buffer.alloc(0);
const lastChunk = '0\r\n\r\n';
const ignore: Take = () => undefined;

/**
 * One client's connection: request after request, each answered before the next one is looked at, so that nothing a client
 * sends ahead can come between. It is the request and carries the answer; there is one of each at a time.
 */
export class H1Connection implements Carrier, ClientRequest, Placed {
  at = 0;
  takesFraming = false;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #headBytes: HeadBytes;
  #phase: Phase = 'fresh';
  /** When the phase began; of a head and its body, when its first byte came. */
  #since = performance.now();
  #head: RequestHead | undefined;
  #body: BodyReader | undefined;
  #reading: Reading | undefined;
  /** Came while an answer was due, and has not been looked at. */
  #ahead: Buffer = none;
  #listener: CarrierListener | undefined;
  /** Head of an answer that waits for its first bytes of body. */
  #begun = '';
  #wraps = false;
  #isLast = false;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#headBytes = new HeadBytes(owner.limits.headerBytes);
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    socket.on('drain', () => this.#listener?.onDrain());
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => undefined); // the client is gone: `close` follows
    socket.on('close', () => this.#onClose());
  }

  get head(): RequestHead {
    if (!this.#head) throw new Error('no request is open on this connection');
    return this.#head;
  }

  get isWhole(): boolean {
    return this.#body?.isDone ?? true;
  }

  get backlog(): number {
    return this.#socket.writableLength;
  }

  listen(listener: CarrierListener): void {
    this.#listener = listener;
  }

  readBody(take: Take): Buffer | Promise<Buffer> {
    const body = this.#body;
    if (!body) throw new Error('a body can be read once');
    this.#feed(body, take);
    if (body.isDone) return body.body;
    this.#phase = 'body';
    return new Promise((resolve, reject) => {
      this.#reading = { take, resolve, reject };
    });
  }

  sendContinue(): void {
    const { framing } = this.head;
    const hasCome = framing.by === 'length' && this.#ahead.length >= framing.bytes;
    if (!hasCome) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n');
  }

  sendWhole(status: number, headers: string, body: Buffer | undefined): void {
    const size = body === undefined ? '' : `content-length: ${body.length}\r\n`;
    const head = `${statusLine(status)}${headers}${this.#ofConnection()}${size}\r\n`;
    if (body === undefined || this.#head?.method === 'HEAD') this.#socket.write(head, 'latin1');
    else if (body.length <= joinUpTo) this.#socket.write(head + body.toString('latin1'), 'latin1');
    else {
      this.#socket.cork();
      this.#socket.write(head, 'latin1');
      this.#socket.write(body);
      this.#socket.uncork();
    }
    this.#answered();
  }

  begin(status: number, headers: string, framing: Framing): void {
    const readsChunks = this.#head?.readsChunks === true;
    const isCounted = framing.by === 'length';
    this.takesFraming = framing.by === 'chunks' && readsChunks;
    this.#wraps = !isCounted && readsChunks;
    // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
    const ofConnection = this.#ofConnection(!isCounted && !readsChunks);
    const how = isCounted ? `content-length: ${framing.bytes}\r\n` : this.#wraps ? 'transfer-encoding: chunked\r\n' : '';
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
    if (typeof framed === 'string') return this.#socket.write(head + framed, 'latin1');
    if (head !== '') this.#socket.write(head, 'latin1');
    return this.#socket.write(framed);
  }

  end(): void {
    const rest = this.#begun + (this.#wraps ? lastChunk : '');
    this.#begun = '';
    if (rest !== '') this.#socket.write(rest, 'latin1');
    this.#answered();
  }

  cut(): void {
    this.#socket.destroy();
  }

  /** Ends what takes too long; to be called now and then. */
  checkTime(now: number): void {
    const { headMs, requestMs, keepAliveMs } = this.#owner.limits;
    const passed = now - this.#since;
    switch (this.#phase) {
      case 'fresh':
      case 'head':
        if (headMs > 0 && passed >= headMs) this.#refuse(routerErrors('request-timeout', {}));
        break;
      case 'body':
        if (requestMs > 0 && passed >= requestMs) this.#failBody(routerErrors('request-timeout', {}));
        break;
      case 'idle':
        if (passed >= keepAliveMs) this.#socket.destroy();
        break;
      case 'closing':
        if (passed >= this.#closingMs()) this.#socket.destroy();
        break;
      case 'busy': // whoever answers keeps the time
    }
  }

  /** Takes no further request: at once when none is open, else after the answer. */
  finish(): void {
    if (this.#phase === 'busy' || this.#phase === 'body') this.#isLast = true;
    else this.#close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #closingMs(): number {
    return this.#socket.writableLength > 0 ? this.#owner.limits.slowClientMs : lingerMs;
  }

  #onData(bytes: Buffer): void {
    switch (this.#phase) {
      case 'closing':
        break; // read, so that a reset does not take the answer away, and not looked at
      case 'body':
        this.#onBody(bytes);
        break;
      case 'busy':
        this.#ahead = this.#ahead.length === 0 ? bytes : Buffer.concat([this.#ahead, bytes]);
        if (this.#ahead.length > mostAhead) this.#socket.pause();
        break;
      case 'fresh':
      case 'idle':
      case 'head':
        this.#onHeadBytes(bytes);
    }
  }

  #onHeadBytes(bytes: Buffer, cameAhead = false): void {
    if (this.#phase !== 'head') {
      this.#phase = 'head';
      this.#since = performance.now();
    }
    try {
      const found = this.#headBytes.push(bytes);
      if (!found) return;
      this.#head = parseRequestHead(found.bytes.toString('latin1', found.from, found.end));
      this.#ahead = found.bytes.subarray(found.end + 4);
    } catch (error) {
      if (!(error instanceof TandemError)) throw error;
      // What nobody asked for gets no answer that a client could take for one to its request.
      if (cameAhead) this.#close();
      else this.#refuse(error);
      return;
    }
    this.#body = new BodyReader(this.#head.framing);
    this.#phase = 'busy';
    this.#isLast = !this.#head.keepAlive;
    this.#owner.onRequest(this);
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
    this.#phase = 'busy';
    this.#reading = undefined;
    reading.resolve(body.body);
  }

  #failBody(error: Error): void {
    const reading = this.#reading;
    if (!reading) return;
    this.#reading = undefined;
    this.#phase = 'busy';
    reading.reject(error);
  }

  /** Which headers speak of the connection; decides whether this answer is its last. */
  #ofConnection(endsByClose = false): string {
    this.#skipBody();
    if (endsByClose || !this.isWhole || this.#owner.isStopping) this.#isLast = true;
    if (this.#isLast) return 'connection: close\r\n';
    return this.#head?.readsChunks === false ? 'connection: keep-alive\r\n' : '';
  }

  /** A body that nobody asked for is passed over where it has come already. Waiting for the rest would be the attack itself. */
  #skipBody(): void {
    if (!this.#body || this.isWhole || this.#phase === 'body') return;
    try {
      this.#feed(this.#body, ignore);
    } catch (error) {
      if (!(error instanceof TandemError)) throw error;
      this.#isLast = true;
    }
  }

  #answered(): void {
    this.#listener = undefined;
    this.#head = undefined;
    this.#body = undefined;
    if (this.#isLast) {
      this.#close();
      return;
    }
    this.#phase = 'idle';
    this.#since = performance.now();
    if (this.#ahead.length > 0) setImmediate(() => this.#goOn());
  }

  /** Looks at what came ahead of the last answer. */
  #goOn(): void {
    const bytes = this.#ahead;
    this.#ahead = none;
    if (this.#socket.isPaused()) this.#socket.resume();
    if (this.#phase === 'idle') this.#onHeadBytes(bytes, true);
  }

  #refuse(error: TandemError): void {
    this.#owner.onRefused(error);
    const { headers, body } = errorAnswer(error);
    const about = `connection: close\r\ncontent-length: ${body.length}\r\n`;
    this.#socket.write(`${statusLine(error.status)}${headers}${dateLine()}${about}\r\n${body.toString('latin1')}`, 'latin1');
    this.#close();
  }

  #close(): void {
    if (this.#phase === 'closing') return;
    this.#failBody(new ClientLeft());
    this.#phase = 'closing';
    this.#since = performance.now();
    this.#ahead = none;
    this.#socket.resume();
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
        this.#close();
        break;
      case 'closing':
    }
  }

  /** It may have closed only its own side: then it reads why nothing follows. */
  #leaveBody(): void {
    this.#failBody(new ClientLeft());
    this.#refuse(routerErrors('bad-http', { why: 'it ends in the middle of its body' }));
  }

  #onClose(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#owner.onClosed(this);
    this.#failBody(new ClientLeft());
    this.#phase = 'closing';
    listener?.onLeave();
  }
}

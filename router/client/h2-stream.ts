import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Framing } from '../engine/response-head.js';
import { routerErrors } from '../router-errors.js';
import { type Carrier, type CarrierListener, ClientLeft, type ClientRequest, type Take } from './carrier.js';
import { Gathered } from './gathered.js';
import { h2Headers } from './h2-head.js';
import type { RequestHead } from './request-head.js';

const { NGHTTP2_NO_ERROR } = constants;

export interface StreamLimits {
  /** Milliseconds from the request's head to the end of its body. */
  readonly requestMs: number;
  /** How long a client may take nothing of an answer that is complete here. */
  readonly slowClientMs: number;
}

interface Reading {
  readonly take: Take;
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: Error) => void;
}

type Headers = ReturnType<typeof h2Headers>;

/** One request and its answer on a stream of an HTTP/2 connection. */
export class H2Stream implements ClientRequest, Carrier {
  readonly takesFraming = false;
  readonly head: RequestHead;
  /** The body is here to its last byte, or there is none. */
  #isWhole: boolean;
  readonly #stream: ServerHttp2Stream;
  readonly #limits: StreamLimits;
  readonly #body = new Gathered();
  #reading: Reading | undefined;
  #listener: CarrierListener | undefined;
  /** Head of an answer that waits for its first bytes of body. */
  #begun: Headers | undefined;
  #answered = false;
  /** Bytes of body that were written. */
  #given = 0;
  /** How far the client had come at the last look. */
  #seen = 0;
  /** When the request began; of a complete answer, when that was handed over or the client last took something of it. */
  #since = performance.now();

  constructor(stream: ServerHttp2Stream, head: RequestHead, hasBody: boolean, limits: StreamLimits) {
    this.#stream = stream;
    this.head = head;
    this.#isWhole = !hasBody;
    this.#limits = limits;
    stream.on('drain', () => this.#listener?.onDrain());
    stream.on('aborted', () => this.#leave());
    stream.on('error', () => undefined); // the stream is gone: `close` follows
    stream.on('close', () => this.#leave());
  }

  get backlog(): number {
    return this.#stream.writableLength;
  }

  get progress(): number {
    return this.#given - this.#stream.writableLength;
  }

  listen(listener: CarrierListener): void {
    this.#listener = listener;
  }

  readBody(take: Take): Buffer | Promise<Buffer> {
    if (this.#isWhole) return this.#body.take();
    return new Promise((resolve, reject) => {
      this.#reading = { take, resolve, reject };
      this.#stream.on('data', (bytes: Buffer) => this.#onData(bytes));
      this.#stream.on('end', () => this.#onEnd());
      if (this.#stream.destroyed) this.#leave();
    });
  }

  /** Ends what takes too long; to be called now and then. */
  checkTime(now: number): void {
    if (this.#answered) this.#noteProgress(now);
    const { requestMs, slowClientMs } = this.#limits;
    const passed = now - this.#since;
    if (this.#reading && requestMs > 0 && passed >= requestMs) this.#failBody(routerErrors('request-timeout', {}));
    else if (this.#answered && slowClientMs > 0 && passed >= slowClientMs) this.cut();
  }

  #noteProgress(now: number): void {
    const { progress } = this;
    if (progress !== this.#seen) this.#since = now;
    this.#seen = progress;
  }

  sendContinue(): void {
    if (!this.#isWhole && this.#isOpen) this.#stream.additionalHeaders({ ':status': 100 });
  }

  sendWhole(status: number, headers: string, body: Buffer | undefined): void {
    const size = body === undefined ? '' : `content-length: ${body.length}\r\n`;
    this.#begun = h2Headers(status, headers + size);
    const content = this.head.method === 'HEAD' ? undefined : body;
    if (content !== undefined && content.length > 0) this.write(content);
    this.end();
  }

  begin(status: number, headers: string, framing: Framing): void {
    const size = framing.by === 'length' ? `content-length: ${framing.bytes}\r\n` : '';
    this.#begun = h2Headers(status, headers + size);
  }

  write(payload: Buffer | string): boolean {
    if (!this.#isOpen) return true; // `onLeave` has said it, or is about to
    this.#respond(false);
    this.#given += payload.length;
    return typeof payload === 'string' ? this.#stream.write(payload, 'latin1') : this.#stream.write(payload);
  }

  /** Never asked for: there is no framing to pass on. */
  passFramed(framed: Buffer | string): boolean {
    return this.write(framed);
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#answered = true;
    this.#listener = undefined;
    this.#since = performance.now();
    this.#failBody(new ClientLeft()); // nobody needs the rest of it
    // Whoever still sends its body is then told that nobody wants it (RFC 9113 8.1); else this changes nothing.
    // Not in the same turn: with some versions of Node the headers would be lost.
    this.#stream.once('finish', () => setImmediate(() => this.#stream.close(NGHTTP2_NO_ERROR)));
    if (this.#begun) this.#respond(true);
    else this.#stream.end();
  }

  cut(): void {
    this.#answered = true;
    this.#failBody(new ClientLeft());
    // `close` would end the body before the reset, and the client could take it for whole.
    this.#stream.destroy(new Error('the answer is broken off'));
  }

  get #isOpen(): boolean {
    return !this.#answered && !this.#stream.destroyed && !this.#stream.closed;
  }

  #respond(endStream: boolean): void {
    const headers = this.#begun;
    this.#begun = undefined;
    if (headers) this.#stream.respond(headers, { endStream });
  }

  #onData(bytes: Buffer): void {
    const reading = this.#reading;
    if (!reading) return; // read, so that it counts no longer for flow control, and not kept
    try {
      reading.take(bytes.length);
    } catch (error) {
      this.#failBody(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#body.add(bytes, 0, bytes.length);
  }

  /** A stream that was reset ends as well, with less than its body. */
  #onEnd(): void {
    const reading = this.#reading;
    if (this.#stream.closed || this.#stream.aborted) this.#leave();
    if (!reading || this.#reading !== reading) return;
    this.#reading = undefined;
    this.#isWhole = true;
    reading.resolve(this.#body.take());
  }

  #failBody(error: Error): void {
    const reading = this.#reading;
    this.#reading = undefined;
    reading?.reject(error);
  }

  #leave(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#failBody(new ClientLeft());
    if (!this.#answered) listener?.onLeave();
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TandemError } from '../src/base/errors.js';
import type { ResponseHead } from './engine/response-head.js';
import { openaiError } from './openai-error.js';

/** A body that fits is written together with its head. */
const joinUpTo = 16 * 1024;
const lastChunk = Buffer.from('0\r\n\r\n');
const blankLine = Buffer.from('\n\n');

/** How the body goes to the client: the engine's own chunks untouched, chunked by Node, or counted. */
type Passing = 'framed' | 'payload';

/**
 * The one answer to one client. Before the first byte it can become anything; afterwards only go on, end, or break off with
 * an error that no client can take for the end of an answer.
 */
export class ClientAnswer {
  readonly #response: ServerResponse;
  readonly #mayChunk: boolean;
  #passing: Passing = 'payload';
  #isSse = false;
  #endsWithBlankLine = true;
  #left = false;
  #ended = false;
  #onLeave: (() => void) | undefined;
  /** Headers of our own, names and values in turn. */
  readonly own: string[] = [];
  /** Bytes of body given to the client. */
  bytes = 0;
  status = 0;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#response = response;
    this.#mayChunk = request.httpVersion === '1.1';
    response.once('close', () => {
      if (this.#ended && response.writableFinished) return;
      this.#left = true;
      this.#onLeave?.();
    });
    // A write to a client that has just gone is no news: `close` follows.
    response.on('error', () => undefined);
  }

  /** The client closed its connection before the answer was complete. */
  get clientLeft(): boolean {
    return this.#left;
  }

  get begun(): boolean {
    return this.status !== 0;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Bytes that the client has not taken yet. */
  get backlog(): number {
    return this.#response.writableLength;
  }

  /** Calls back when the client leaves; at once when it already has. Replaces an earlier call-back. */
  onLeave(listener: (() => void) | undefined): void {
    this.#onLeave = listener;
    if (this.#left) listener?.();
  }

  /** A complete answer at once. */
  send(status: number, headers: readonly string[], body: Buffer | string): void {
    if (this.#left || this.begun) return;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    this.status = status;
    this.#ended = true;
    this.bytes = bytes.length;
    this.#response.writeHead(status, [...headers, ...this.own, 'content-length', String(bytes.length)]);
    // As latin1 text Node joins it with the head to one write; a large body is better left where it is.
    if (bytes.length <= joinUpTo) this.#response.end(bytes.toString('latin1'), 'latin1');
    else this.#response.end(bytes);
  }

  /** A complete answer that has no body. */
  sendEmpty(status: number, headers: readonly string[]): void {
    if (this.#left || this.begun) return;
    this.status = status;
    this.#ended = true;
    this.#response.writeHead(status, [...headers, ...this.own]);
    this.#response.end();
  }

  /** Tells a client that waits for it that its body is wanted. */
  askForBody(): void {
    if (this.#response.req.headers.expect !== undefined) this.#response.writeContinue();
  }

  /** Starts an answer whose body follows, with the engine's framing where the client can read it. */
  begin({ status, headers, framing, contentType }: ResponseHead): void {
    this.status = status;
    this.#isSse = contentType === 'text/event-stream';
    const response = this.#response;
    const all = [...headers, ...this.own];
    if (framing.by === 'length') {
      response.writeHead(status, [...all, 'content-length', String(framing.bytes)]);
    } else if (framing.by === 'chunks' && this.#mayChunk) {
      response.writeHead(status, [...all, 'transfer-encoding', 'chunked']);
      // Node would add chunk framing of its own; the engine's is passed on as it came.
      response.chunkedEncoding = false;
      this.#passing = 'framed';
    } else {
      response.writeHead(status, all);
    }
  }

  /** Starts an event stream before any engine has answered, so that something can be sent to keep the client waiting. */
  beginWaiting(): void {
    this.begin({
      status: 200,
      headers: ['content-type', 'text/event-stream; charset=utf-8', 'cache-control', 'no-cache'],
      framing: { by: 'close' },
      reusable: true,
      contentType: 'text/event-stream',
    });
    this.comment('waiting for prefill');
  }

  /** An SSE comment: keeps proxies and clients from giving up, and is no event. */
  comment(text: string): void {
    this.#write(Buffer.from(`: ${text}\n\n`));
  }

  /** Passes on a stretch of body. False when the client is behind: wait for `onDrain`. */
  pass(payload: Buffer, framed: Buffer): boolean {
    this.bytes += payload.length;
    const { length } = payload;
    if (length > 1) this.#endsWithBlankLine = payload[length - 1] === 10 && payload[length - 2] === 10;
    return this.#response.write(this.#passing === 'framed' ? framed : payload);
  }

  onDrain(listener: () => void): void {
    this.#response.once('drain', listener);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#passing === 'framed') this.#response.end(lastChunk);
    else this.#response.end();
  }

  /**
   * The answer failed. Not begun: an error answer. A stream: an error event, then the end. Anything else: the connection
   * breaks, since nothing in the body could tell the client that it is not whole.
   */
  fail(error: TandemError): void {
    if (this.#left || this.#ended) return;
    if (!this.begun) {
      const retry = error.retryable && error.status === 503 ? ['retry-after', '1'] : [];
      this.send(error.status, ['content-type', 'application/json', ...retry], openaiError(error));
      return;
    }
    this.failWith(openaiError(error));
  }

  /** Ends a begun answer with an error object as its last event. */
  failWith(errorObject: string): void {
    if (this.#left || this.#ended) return;
    if (!this.#isSse) {
      this.cut();
      return;
    }
    if (!this.#endsWithBlankLine) this.#write(blankLine);
    this.#write(Buffer.from(`data: ${errorObject}\n\n`));
    this.end();
  }

  /** Breaks the connection. */
  cut(): void {
    this.#ended = true;
    this.#response.destroy();
  }

  #write(payload: Buffer): void {
    if (this.#passing === 'payload') this.#response.write(payload);
    else
      this.#response.write(
        Buffer.concat([Buffer.from(`${payload.length.toString(16)}\r\n`), payload, Buffer.from('\r\n')]),
      );
  }
}

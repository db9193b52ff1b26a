import type { TandemError } from '../src/base/errors.js';
import { dateLine, errorAnswer } from './client/answer-text.js';
import type { Carrier, CarrierListener } from './client/carrier.js';
import { copyOf } from './collect.js';
import type { ResponseHead } from './engine/response-head.js';
import { openaiError } from './openai-error.js';

const waiting: ResponseHead = {
  status: 200,
  headers: 'content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n',
  isDated: false,
  framing: { by: 'close' },
  reusable: true,
  contentType: 'text/event-stream',
};

/**
 * The one answer to one client. Before the first byte it can become anything; afterwards only go on, end, or break off with
 * an error that no client can take for the end of an answer.
 */
export class ClientAnswer implements CarrierListener {
  readonly #carrier: Carrier;
  #isSse = false;
  /** Line feeds at the end of what has been passed on, up to two: two end an event. */
  #lineEnds = 2;
  /** Bytes of our own would land inside a chunk of the engine's, or in a body of counted length. */
  #isInside = false;
  #left = false;
  #ended = false;
  #onLeave: (() => void) | undefined;
  #onDrain: (() => void) | undefined;
  /** Header lines of our own, each with its line end. */
  own = '';
  /** Bytes of body given to the client. */
  bytes = 0;
  status = 0;

  constructor(carrier: Carrier) {
    this.#carrier = carrier;
    carrier.listen(this);
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

  /** Nothing more can be said to the client: it has its answer, or has left. */
  get isOver(): boolean {
    return this.#ended || this.#left;
  }

  /** Bytes that the client has not taken yet. */
  get backlog(): number {
    return this.#carrier.backlog;
  }

  /** Changes whenever a client with a backlog takes something of it. */
  get progress(): number {
    return this.#carrier.progress;
  }

  /** Calls back when the client leaves; at once when it already has. Replaces an earlier call-back. */
  whenLeft(listener: (() => void) | undefined): void {
    this.#onLeave = listener;
    if (this.#left) listener?.();
  }

  onLeave(): void {
    if (this.#ended) return;
    this.#left = true;
    this.#onLeave?.();
  }

  onDrain(): void {
    const listener = this.#onDrain;
    this.#onDrain = undefined;
    listener?.();
  }

  /** Calls back once when the client has taken what waits for it. */
  whenDrained(listener: () => void): void {
    this.#onDrain = listener;
  }

  /** A complete answer at once; an engine's own Date stands. */
  send(status: number, headers: string, body: Buffer | undefined, isDated = false): void {
    if (this.#left || this.begun) return;
    this.status = status;
    this.#ended = true;
    this.bytes = body?.length ?? 0;
    this.#carrier.sendWhole(status, isDated ? headers + this.own : headers + this.own + dateLine(), body);
  }

  /** Tells a client that waits for it that its body is wanted. */
  askForBody(): void {
    this.#carrier.sendContinue();
  }

  /** Starts an answer whose body follows, with the engine's framing where the client can read it. */
  begin({ status, headers, framing, contentType, isDated }: ResponseHead): void {
    this.status = status;
    this.#isSse = contentType === 'text/event-stream';
    this.#isInside = framing.by === 'length';
    this.#carrier.begin(status, isDated ? headers + this.own : headers + this.own + dateLine(), framing);
  }

  /** Starts an event stream before any engine has answered, so that something can be sent to keep the client waiting. */
  beginWaiting(): void {
    this.begin(waiting);
    this.comment('waiting for prefill');
  }

  /** An SSE comment, which is no event, between two events: keeps proxies and clients from giving up. None where there is no room for it. */
  comment(text: string): void {
    if (!this.#isSse || this.#isInside || this.#lineEnds < 2 || this.backlog > 0) return;
    this.#carrier.write(`: ${text}\n\n`);
  }

  /**
   * Passes on a stretch of body: the characters `from` to `to`, one for each byte, of what stands in the engine's framing.
   * False when the client is behind: wait for `whenDrained`.
   */
  passText(framed: string, from: number, to: number): boolean {
    const last = framed.charCodeAt(to - 1);
    this.#passed(to - from, last, framed.charCodeAt(to - 2));
    const carrier = this.#carrier;
    if (!carrier.takesFraming) return carrier.write(framed.slice(from, to));
    this.#isInside = framed.length === to || framed.charCodeAt(framed.length - 1) !== 10;
    return carrier.passFramed(framed);
  }

  /** The same for a large stretch. The bytes themselves may change as soon as this returns. */
  pass(bytes: Buffer, from: number, to: number, framedFrom: number, framedTo: number): boolean {
    this.#passed(to - from, bytes[to - 1], bytes[to - 2]);
    const carrier = this.#carrier;
    if (!carrier.takesFraming) return carrier.write(copyOf(bytes, from, to));
    this.#isInside = framedTo === to || bytes[framedTo - 1] !== 10;
    return carrier.passFramed(copyOf(bytes, framedFrom, framedTo));
  }

  #passed(count: number, last: number | undefined, beforeLast: number | undefined): void {
    this.bytes += count;
    if (count === 0) return;
    if (last !== 10) this.#lineEnds = 0;
    else if (count === 1) this.#lineEnds = Math.min(2, this.#lineEnds + 1);
    else this.#lineEnds = beforeLast === 10 ? 2 : 1;
  }

  end(): void {
    if (this.#ended || this.#left) return;
    this.#ended = true;
    this.#carrier.end();
  }

  /**
   * The answer failed. Not begun: an error answer. A stream: an error event, then the end. Anything else: the connection
   * breaks, since nothing in the body could tell the client that it is not whole.
   */
  fail(error: TandemError): void {
    if (this.#left || this.#ended) return;
    if (this.begun) {
      this.failWith(openaiError(error));
      return;
    }
    const { headers, body } = errorAnswer(error);
    this.send(error.status, headers, body);
  }

  /** Ends a begun answer with an error object as its last event. */
  failWith(errorObject: string): void {
    if (this.#left || this.#ended) return;
    if (!this.#isSse || this.#isInside) {
      this.cut();
      return;
    }
    const before = this.#lineEnds === 2 ? '' : '\n\n';
    this.#carrier.write(Buffer.from(`${before}data: ${errorObject}\n\n`));
    this.end();
  }

  /** Breaks the connection. */
  cut(): void {
    this.#ended = true;
    this.#carrier.cut();
  }
}

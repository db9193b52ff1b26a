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

/** Two line ends, each of a carriage return and a line feed. */
const longestEnd = 4;

/**
 * The one answer to one client. Before the first byte it can become anything; afterwards only go on, end, or break off with
 * an error that no client can take for the end of an answer.
 */
export class ClientAnswer implements CarrierListener {
  readonly #carrier: Carrier;
  #isSse = false;
  /** Line ends at the end of what has been passed on, up to two: two end an event. */
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

  /** A complete answer at once; an engine's own Date stands. Where the status allows no body, there is no length either (RFC 9110 8.6). */
  send(status: number, headers: string, body: Buffer | undefined, isDated = false): void {
    if (this.#left || this.begun) return;
    this.status = status;
    this.#ended = true;
    this.bytes = body?.length ?? 0;
    const content = status === 204 || status === 304 ? undefined : body;
    this.#carrier.sendWhole(status, isDated ? headers + this.own : headers + this.own + dateLine(), content);
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
    this.#passed(framed, from, to);
    const carrier = this.#carrier;
    if (!carrier.takesFraming) return carrier.write(framed.slice(from, to));
    this.#isInside = framed.length === to || framed.charCodeAt(framed.length - 1) !== 10;
    return carrier.passFramed(framed);
  }

  /** The same for a large stretch. The bytes themselves may change as soon as this returns. */
  pass(bytes: Buffer, from: number, to: number, framedFrom: number, framedTo: number): boolean {
    const tail = bytes.toString('latin1', Math.max(from, to - longestEnd), to);
    this.bytes += to - from - tail.length;
    this.#passed(tail, 0, tail.length);
    const carrier = this.#carrier;
    if (!carrier.takesFraming) return carrier.write(copyOf(bytes, from, to));
    this.#isInside = framedTo === to || bytes[framedTo - 1] !== 10;
    return carrier.passFramed(copyOf(bytes, framedFrom, framedTo));
  }

  /** Counts a stretch, and the line ends that it leaves behind: line feeds, with or without a carriage return before each. */
  #passed(text: string, from: number, to: number): void {
    this.bytes += to - from;
    let ends = 0;
    for (let at = to - 1; at >= from && ends < 2; at -= 1) {
      const code = text.charCodeAt(at);
      if (code === 10) ends += 1;
      else if (code !== 13) {
        this.#lineEnds = ends;
        return;
      }
    }
    this.#lineEnds = Math.min(2, this.#lineEnds + ends);
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

import type { Socket } from 'node:net';
import { ChunkedReader, type EmitChunk } from '../http/chunked-reader.js';
import { pendingWrites, type Sent } from '../http/pending-writes.js';
import { ProtocolError } from '../http/protocol-error.js';
import type { EngineRequest, Exchange } from './exchange.js';
import { type CallFault, type CallStage, EngineFailure } from './failure.js';
import { LazyTimer } from './lazy-timer.js';
import { type Framing, parseHead, type ResponseHead } from './response-head.js';

const largestHead = 32 * 1024;
const mostInterims = 16;

export interface ConnectionOwner {
  /** The response is complete and the connection may be used again. */
  onFree(connection: EngineConnection): void;
  onClosed(connection: EngineConnection): void;
}

/** One keep-alive HTTP/1.1 connection to an engine: one request at a time, a strict reader, a time limit per phase. */
export class EngineConnection {
  readonly socket: Socket;
  /** When it became free, by the owner's clock. */
  freeSince = 0;
  /** The engine has sent something since the last request. */
  heard = false;
  #owner: ConnectionOwner;
  #exchange: Exchange | undefined;
  #deadlines: EngineRequest['deadlines'] | undefined;
  #stage: CallStage = 'head';
  #waiting: Buffer | undefined;
  #head: ResponseHead | undefined;
  #chunks: ChunkedReader | undefined;
  #left = 0;
  #interims = 0;
  readonly #emit: EmitChunk = (bytes, from, to, framedFrom, framedTo) =>
    this.#exchange?.onBody(bytes, from, to, framedFrom, framedTo);
  readonly #timer = new LazyTimer((ms) => this.#onDeadline(ms));

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.socket = socket;
    this.#owner = owner;
    socket.setNoDelay(true);
    socket.on('error', (error: Error) => this.#fail('reset', error.message, error));
    socket.on('close', () => this.#onClose());
  }

  /** Takes bytes that the engine sent. They may change afterwards: what is kept is copied. */
  receive(bytes: Buffer): void {
    this.#onData(bytes);
  }

  /** Sends one request; `onSent` is called when the kernel has taken all of it, or when it no longer can. */
  send(request: EngineRequest, exchange: Exchange, onSent: Sent): void {
    this.#exchange = exchange;
    this.#deadlines = request.deadlines;
    this.#stage = 'head';
    this.heard = false;
    this.#interims = 0;
    this.#timer.start(request.deadlines.head);
    pendingWrites.put(this.socket, request, onSent);
  }

  /** Closes at once: to an engine this is the one way to say that nobody waits for the answer. */
  abort(why: string): void {
    this.#fail('aborted', why);
  }

  pause(): void {
    this.socket.pause();
    this.#timer.stop();
  }

  resume(): void {
    this.socket.resume();
    if (this.#stage === 'body') this.#timer.start(this.#deadlines?.idle ?? 0);
  }

  #onData(bytes: Buffer): void {
    if (!this.#exchange) {
      this.socket.destroy(); // an engine that speaks unasked is not understood
      return;
    }
    try {
      if (this.#stage === 'head') this.#onHeadBytes(bytes, 0);
      else this.#onBodyBytes(bytes, 0);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#fail('protocol', error.message, error);
    }
  }

  #onHeadBytes(bytes: Buffer, from: number): void {
    this.heard = true;
    const all = this.#waiting ? Buffer.concat([this.#waiting, bytes]) : bytes;
    const begin = this.#waiting ? 0 : from;
    const end = all.indexOf('\r\n\r\n', begin);
    if ((end < 0 ? all.length : end) - begin > largestHead) throw new ProtocolError('the response head is too large');
    this.#waiting = end < 0 ? Buffer.from(all.subarray(begin)) : undefined;
    if (end >= 0) this.#onHead(parseHead(all.toString('latin1', begin, end + 2)), all, end + 4);
  }

  #onHead(head: ResponseHead, bytes: Buffer, from: number): void {
    if (head.status === 101) throw new ProtocolError('the engine wants to switch protocols');
    const isInterim = head.status < 200;
    const hasMore = from < bytes.length;
    if (isInterim) this.#checkInterim(head);
    else this.#begin(head, hasMore);
    if (!hasMore) return;
    if (isInterim) this.#onHeadBytes(bytes, from);
    else if (this.#exchange) this.#onBodyBytes(bytes, from);
    else this.socket.destroy(); // more than the answer: nothing on this connection can be trusted
  }

  #checkInterim({ reusable }: ResponseHead): void {
    if (!reusable) throw new ProtocolError('an interim answer that ends the connection');
    if (++this.#interims > mostInterims) throw new ProtocolError('too many interim answers');
  }

  #begin(head: ResponseHead, more: boolean): void {
    this.#head = head;
    this.#stage = 'body';
    this.#chunks = head.framing.by === 'chunks' ? new ChunkedReader() : undefined;
    this.#left = head.framing.by === 'length' ? head.framing.bytes : 0;
    this.#timer.start(this.#deadlines?.idle ?? 0);
    this.#exchange?.onHead(head);
    if (!isEmpty(head.framing)) return;
    if (more) throw new ProtocolError('a body where none may be');
    this.#complete();
  }

  #onBodyBytes(bytes: Buffer, from: number): void {
    const exchange = this.#exchange;
    const head = this.#head;
    if (!exchange || !head) throw new ProtocolError('bytes after the end of the response');
    const chunks = this.#chunks;
    if (chunks) {
      if (chunks.push(bytes, this.#emit, from)) this.#endOfChunks(chunks);
    } else if (head.framing.by === 'close') {
      exchange.onBody(bytes, from, bytes.length, from, bytes.length);
    } else {
      this.#onLengthBytes(exchange, bytes, from);
    }
    if (this.#exchange && !this.socket.isPaused()) this.#timer.start(this.#deadlines?.idle ?? 0);
  }

  /** Nothing was asked that bytes after the end could answer. */
  #endOfChunks({ rest }: ChunkedReader): void {
    if (rest.length > 0) throw new ProtocolError('bytes after the end of the body');
    this.#complete();
  }

  #onLengthBytes(exchange: Exchange, bytes: Buffer, from: number): void {
    const count = bytes.length - from;
    if (count > this.#left) throw new ProtocolError('the body is longer than its content-length');
    this.#left -= count;
    exchange.onBody(bytes, from, bytes.length, from, bytes.length);
    if (this.#left === 0) this.#complete();
  }

  #complete(): void {
    const exchange = this.#release();
    if (!exchange) return;
    // An answer before the end of its request: what is left of that would go before the next one.
    const isSent = this.socket.writableLength === 0;
    const reusable = this.#head?.reusable === true && isSent && !this.socket.destroyed;
    this.#head = undefined;
    if (reusable) this.#free();
    else this.socket.destroy();
    exchange.onEnd();
  }

  /** Whoever asked for a pause with the last bytes of an answer can no longer end it. */
  #free(): void {
    if (this.socket.isPaused()) this.socket.resume();
    this.#owner.onFree(this);
  }

  #onClose(): void {
    if (this.#stage === 'body' && this.#head?.framing.by === 'close' && this.#exchange) this.#complete();
    else this.#fail('reset', 'the engine closed the connection');
    this.#timer.close();
    this.#owner.onClosed(this);
  }

  #fail(fault: CallFault, message: string, cause?: unknown): void {
    const stage = this.#stage;
    const exchange = this.#release();
    this.socket.destroy();
    exchange?.onFailure(new EngineFailure(stage, fault, message, cause));
  }

  #release(): Exchange | undefined {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#waiting = undefined;
    this.#chunks = undefined;
    this.#timer.stop();
    return exchange;
  }

  #onDeadline(ms: number): void {
    const what = this.#stage === 'head' ? 'no answer' : 'nothing more of the answer';
    this.#fail('timeout', `${what} within ${ms / 1000} s`);
  }
}

const isEmpty = (framing: Framing): boolean =>
  framing.by === 'nothing' || (framing.by === 'length' && framing.bytes === 0);

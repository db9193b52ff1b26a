import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { TandemError } from '../../src/base/errors.js';
import type { Placed } from '../open-list.js';
import { errorAnswer } from './answer-text.js';
import type { Carrier, ClientRequest } from './carrier.js';
import type { ConnectionLimits } from './h1-phase.js';
import { h2Head, h2Headers } from './h2-head.js';
import { H2Stream } from './h2-stream.js';
import { mostFields } from './request-head.js';

export interface H2Owner {
  readonly limits: ConnectionLimits;
  onRequest(request: ClientRequest, carrier: Carrier): void;
  onRefused(error: TandemError): void;
  onClosed(connection: H2Connection): void;
}

/** Open at one moment on one connection; a gateway opens more connections. */
const mostStreams = 256;
/** What a client may send of one body, and of all of them, before the router has read it. */
const streamWindow = 1024 * 1024;
const connectionWindow = 8 * 1024 * 1024;
/** Megabytes that Node keeps for one connection before it refuses streams. */
const mostMemory = 64;
const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_INTERNAL_ERROR } = constants;

/** One client's connection that speaks HTTP/2, through Node's own session. */
export class H2Connection implements Placed {
  at = 0;
  readonly #owner: H2Owner;
  readonly #socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #streams = new Set<H2Stream>();
  /** When the last stream ended, or the connection began. */
  #since = performance.now();
  #isFresh = true;

  constructor(socket: Socket, owner: H2Owner) {
    this.#owner = owner;
    this.#socket = socket;
    const { headerBytes } = owner.limits;
    this.#session = performServerHandshake(socket, {
      settings: { maxConcurrentStreams: mostStreams, initialWindowSize: streamWindow, maxHeaderListSize: headerBytes },
      maxHeaderListPairs: mostFields,
      maxSessionMemory: mostMemory,
    });
    this.#session.setLocalWindowSize(connectionWindow);
    this.#session.on('stream', (...[stream, , flags, raw]: [ServerHttp2Stream, unknown, number, string[]]) =>
      this.#onStream(stream, flags, raw),
    );
    this.#session.on('error', () => undefined); // the client is gone, or speaks something else: `close` follows
    this.#session.on('close', () => owner.onClosed(this));
  }

  /** Ends what takes too long; to be called now and then. */
  checkTime(now: number): void {
    for (const stream of this.#streams) stream.checkTime(now);
    if (this.#streams.size > 0) return;
    const { headMs, keepAliveMs, slowClientMs } = this.#owner.limits;
    const limit = this.#session.closed ? slowClientMs : this.#isFresh ? headMs : keepAliveMs;
    if (limit === 0 || now - this.#since < limit) return;
    if (this.#session.closed) this.destroy();
    else this.finish();
  }

  /** Takes no further streams (GOAWAY), and closes after the last of those that are open. */
  finish(): void {
    this.#since = performance.now();
    this.#session.close();
  }

  /** The session alone would wait until a client that reads nothing has taken what is under way. */
  destroy(): void {
    this.#session.destroy(undefined, NGHTTP2_INTERNAL_ERROR);
    this.#socket.destroy();
  }

  #onStream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    this.#isFresh = false;
    const hasBody = (flags & NGHTTP2_FLAG_END_STREAM) === 0;
    try {
      const open = new H2Stream(stream, h2Head(raw, hasBody), hasBody, this.#owner.limits);
      this.#streams.add(open);
      stream.on('close', () => this.#onStreamClosed(open));
      this.#owner.onRequest(open, open);
    } catch (error) {
      if (!(error instanceof TandemError)) throw error;
      this.#refuse(stream, error);
    }
  }

  #onStreamClosed(stream: H2Stream): void {
    this.#streams.delete(stream);
    this.#since = performance.now();
  }

  #refuse(stream: ServerHttp2Stream, error: TandemError): void {
    this.#owner.onRefused(error);
    const { headers, body } = errorAnswer(error);
    stream.on('error', () => undefined); // the client left first
    stream.respond(h2Headers(error.status, `${headers}content-length: ${body.length}\r\n`));
    stream.end(body);
    stream.close();
  }
}

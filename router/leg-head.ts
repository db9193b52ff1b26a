import type { Socket } from 'node:net';
import type { Endpoint } from '../src/core/pairing/endpoint.js';
import type { BodyRoom } from './body-room.js';
import { headerOf, type RequestHead } from './client/request-head.js';
import type { Deadlines, EngineRequest } from './engine/exchange.js';
import { joined, mostJoined } from './http/joined.js';
import type { Sent } from './http/pending-writes.js';
import type { SplicedBody } from './spliced-body.js';
import type { Trace, Tracing } from './trace.js';

/**
 * Headers that end at the router: they speak of one connection, or of bytes that change here. Accept-Encoding is among them
 * because a compressed answer could be neither read nor watched.
 */
const endsHere = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);

const none: readonly string[] = [];
/** Digits of a length, and the empty line after it. */
const longestLength = 20;

/** Builds the requests of both legs; only host, length, span and body differ between them. */
export class LegHead {
  readonly trace: Trace | undefined;
  readonly #start: string;
  readonly #tracing: Tracing;
  readonly #room: BodyRoom;

  constructor(
    { method, target, fields, hopNames }: RequestHead,
    open: BodyRoom & { readonly id: string },
    tracing: Tracing,
  ) {
    let start = `${method} ${target} HTTP/1.1\r\nx-request-id: ${open.id}\r\n`;
    let parents = none;
    let state = '';
    for (const { lower, line, value } of fields) {
      if (!endsHere.has(lower) && !hopNames?.has(lower)) start += line;
      else if (lower === 'traceparent') parents = [...parents, value];
      else if (lower === 'tracestate') state += line;
    }
    this.trace = tracing.of(parents);
    this.#start = this.trace?.isNew ? start : start + state;
    this.#tracing = tracing;
    this.#room = open;
  }

  request({ ip, port }: Pick<Endpoint, 'ip' | 'port'>, body: SplicedBody, deadlines: Deadlines): EngineRequest {
    const span = this.trace ? this.#tracing.line(this.trace) : '';
    const own = `${span}host: ${ip.includes(':') ? `[${ip}]` : ip}:${port}\r\ncontent-length: `;
    return new LegRequest(this.#start, own, body, this.#room, deadlines);
  }
}

/** The request of one leg. */
class LegRequest implements EngineRequest {
  readonly deadlines: Deadlines;
  readonly #common: string;
  readonly #own: string;
  readonly #body: SplicedBody;
  readonly #room: BodyRoom;
  #isSent = false;

  constructor(common: string, own: string, body: SplicedBody, room: BodyRoom, deadlines: Deadlines) {
    this.#common = common;
    this.#own = own;
    this.#body = body;
    this.#room = room;
    this.deadlines = deadlines;
    room.readers += 1;
  }

  writeTo(socket: Socket, sent: Sent): void {
    const headMost = this.#common.length + this.#own.length + longestLength;
    if (headMost > mostJoined || this.#body.most > mostJoined) {
      this.#writeParts(socket, sent);
      return;
    }
    this.#body.joinIn(joined);
    joined.write(socket, this.#common, `${this.#own}${joined.size}\r\n\r\n`, sent);
  }

  /** The kernel gathers the parts: nothing is copied. */
  #writeParts(socket: Socket, sent: Sent): void {
    const parts = this.#body.parts();
    let size = 0;
    for (const part of parts) size += part.length;
    socket.cork();
    socket.write(`${this.#common}${this.#own}${size}\r\n\r\n`, 'latin1');
    const read = this.#reading(sent);
    for (const [i, part] of parts.entries()) socket.write(part, i === parts.length - 1 ? read : undefined);
    socket.uncork();
  }

  /** The body is read until this is called; and by a request that was not sent it may be read again. */
  #reading(sent: Sent): Sent {
    this.#room.readers += 1;
    return (error) => {
      this.#room.readers -= error || this.#isSent ? 1 : 2;
      this.#isSent ||= !error;
      sent?.(error);
    };
  }
}

const acceptable = /^[\x21-\x7e]{1,256}$/;

/** The client's own request id when it can be passed on safely, else a new one. */
export function requestIdOf(head: RequestHead, mint: () => string): string {
  const given = headerOf(head, 'x-request-id');
  return given !== undefined && acceptable.test(given) ? given : mint();
}

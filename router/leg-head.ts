import type { Endpoint } from '../src/core/pairing/endpoint.js';
import { headerOf, type RequestHead } from './client/request-head.js';
import type { Deadlines, EngineRequest } from './engine/exchange.js';
import type { SplicedBody } from './spliced-body.js';

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
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);

/** A body that fits goes out with its head in one write; a larger one is gathered by the kernel and not copied. */
const joinUpTo = 15 * 1024;

/** Builds the requests of both legs; only host, length and body differ between them. */
export class LegHead {
  readonly #start: string;

  constructor({ method, target, fields, hopNames }: RequestHead, requestId: string) {
    let start = `${method} ${target} HTTP/1.1\r\nx-request-id: ${requestId}\r\n`;
    for (const { lower, line } of fields) if (!endsHere.has(lower) && !hopNames?.has(lower)) start += line;
    this.#start = start;
  }

  request({ ip, port }: Endpoint, body: SplicedBody, deadlines: Deadlines): EngineRequest {
    const start = `${this.#start}host: ${ip.includes(':') ? `[${ip}]` : ip}:${port}\r\ncontent-length: `;
    if (body.size <= joinUpTo) {
      const text = body.latin1();
      return { head: `${start}${text.length}\r\n\r\n${text}`, body: [], deadlines };
    }
    const parts = body.parts();
    let size = 0;
    for (const part of parts) size += part.length;
    return { head: `${start}${size}\r\n\r\n`, body: parts, deadlines };
  }
}

const acceptable = /^[\x21-\x7e]{1,256}$/;

/** The client's own request id when it can be passed on safely, else a new one. */
export function requestIdOf(head: RequestHead, mint: () => string): string {
  const given = headerOf(head, 'x-request-id');
  return given !== undefined && acceptable.test(given) ? given : mint();
}

import type { IncomingMessage } from 'node:http';
import type { Endpoint } from '../src/core/pairing/endpoint.js';

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

/** Builds the head that both legs share; only host and length differ between them. */
export class LegHead {
  readonly #start: string;

  constructor(request: IncomingMessage, requestId: string) {
    const lines = [`${request.method} ${request.url} HTTP/1.1\r\nx-request-id: ${requestId}\r\n`];
    const named = namedByConnection(request.headers.connection);
    const raw = request.rawHeaders;
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string;
      const lower = name.toLowerCase();
      if (!endsHere.has(lower) && !named?.has(lower)) lines.push(`${name}: ${raw[i + 1]}\r\n`);
    }
    this.#start = lines.join('');
  }

  for({ ip, port }: Endpoint, contentLength: number): string {
    const host = ip.includes(':') ? `[${ip}]` : ip;
    return `${this.#start}host: ${host}:${port}\r\ncontent-length: ${contentLength}\r\n\r\n`;
  }
}

function namedByConnection(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || /^(keep-alive|close)$/i.test(connection)) return undefined;
  return new Set(connection.split(',').map((token) => token.trim().toLowerCase()));
}

const acceptable = /^[\x21-\x7e]{1,256}$/;

/** The client's own request id when it can be passed on safely, else a new one. */
export function requestIdOf(request: IncomingMessage, mint: () => string): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && acceptable.test(given) ? given : mint();
}

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describeError } from '../src/base/errors.js';
import { openaiError } from './openai-error.js';

/** An answer that needs no request: status line, error object, and the end of the connection. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly code: string;
  readonly message: string;
}

/** How long a refused client has to read why, before its connection is taken down without its consent. */
const lingerMs = 1000;

const known: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    reason: 'Request Header Fields Too Large',
    code: 'headers-too-large',
    message: 'the request headers are too large; send fewer or shorter ones',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    reason: 'Payload Too Large',
    code: 'chunk-extensions-too-large',
    message: 'the chunk extensions are too large; send none',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    reason: 'Request Timeout',
    code: 'request-timeout',
    message: 'the request did not arrive in time; send it faster, or in one piece',
  },
};

/** Ends connections whose bytes are no legal request, without ever putting an answer in another one's place. */
export class ClientFaults {
  /** The answer to the latest request of each connection. */
  readonly #latest = new WeakMap<object, ServerResponse>();
  readonly #ending = new WeakSet<object>();

  began(response: ServerResponse): void {
    this.#latest.set(response.req.socket, response);
  }

  onError(error: NodeJS.ErrnoException, socket: Socket): void {
    if (this.#ending.has(socket)) return;
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    this.#ending.add(socket);
    const answer = this.#latest.get(socket);
    if (answer && !answer.writableFinished) endOpen(answer, socket, error);
    else refuse(socket, refusalOf(error));
  }
}

function endOpen(answer: ServerResponse, socket: Socket, error: NodeJS.ErrnoException): void {
  if (answer.req.complete) endAfter(answer, socket);
  else if (isTaken(answer)) socket.destroy();
  else refuse(socket, refusalOf(error));
}

const refusalOf = (error: NodeJS.ErrnoException): Refusal => known[error.code ?? ''] ?? illegal(error);

/** A broken request cannot be refused once its answer has begun, or while another one comes before it. */
const isTaken = ({ headersSent, socket }: ServerResponse): boolean => headersSent || socket === null;

/** Says why, and closes; what still comes from the client is thrown away. */
export function refuse(socket: Socket, refusal: Refusal, headers = ''): void {
  const body = openaiError(refusal);
  const head = `HTTP/1.1 ${refusal.status} ${refusal.reason}\r\ncontent-type: application/json\r\nconnection: close\r\n`;
  socket.on('error', () => undefined); // the client left first: `close` follows
  socket.end(`${head}${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once('close', () => clearTimeout(timer));
}

/** The requests before the fault were whole: they are answered in order, and nothing after them is. */
function endAfter(last: ServerResponse, socket: Socket): void {
  last.shouldKeepAlive = false;
  last.once('close', () => socket.destroySoon());
}

const illegal = (error: Error): Refusal => ({
  status: 400,
  reason: 'Bad Request',
  code: 'bad-http',
  message: `the request is not legal HTTP/1.1: ${describeError(error)}; check the client`,
});

/** What a client reads whose bytes are no request that a server takes: Node itself says nothing, or resets. */
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long a refused client has to read why, before its connection is taken down without its consent. */
const lingerMs = 1000;

/** Answers what cannot be parsed with 431, 413, 408 or 400 and a line that names the limit, then closes the connection. */
export function explainClientErrors(server: Server, headerBytes: number): void {
  const latest = new WeakMap<object, ServerResponse>();
  const ending = new WeakSet<object>();
  server.on('request', (request, response) => void latest.set(request.socket, response));
  server.on('clientError', (error: NodeJS.ErrnoException, raw) => {
    const socket = raw as Socket;
    if (ending.has(socket)) return;
    if (!socket.writable || error.code === 'ECONNRESET' || isAnswering(latest.get(socket))) {
      socket.destroy();
      return;
    }
    ending.add(socket);
    refuse(socket, answerTo(error, headerBytes));
  });
}

/** An answer that has begun, or is due to an earlier request, must not find another one in its place. */
function isAnswering(answer: ServerResponse | undefined): boolean {
  if (answer === undefined || answer.writableFinished) return false;
  return answer.headersSent || answer.req.complete || answer.socket === null;
}

function answerTo({ code, message }: NodeJS.ErrnoException, headerBytes: number): readonly [string, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        '431 Request Header Fields Too Large',
        `the request line and headers exceed ${headerBytes} bytes; send fewer or shorter ones`,
      ];
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return ['413 Payload Too Large', 'the chunk extensions exceed 16384 bytes; send none'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'the request did not arrive in time; send it faster, or in one piece'];
    default:
      return ['400 Bad Request', `this is no legal HTTP/1.1: ${message}; check the client`];
  }
}

function refuse(socket: Socket, [status, why]: readonly [string, string]): void {
  const body = `${why}\n`;
  socket.on('error', () => undefined); // the client left first: `close` follows
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  // What is still on its way is read and thrown away: unread bytes would turn the close into a reset.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once('close', () => clearTimeout(timer));
}

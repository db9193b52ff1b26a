import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { ServingCertificate } from './serving-certificate.js';

export interface TlsEvents {
  /** The handshake is done; `raw` carries the bytes of it all. */
  onSecure(socket: TLSSocket, raw: Socket | undefined): void;
  /** The handshake came to nothing, or has taken too long. */
  onFailed(): void;
  /** A connection has left the door, whichever way. */
  onLeft(): void;
}

/** Takes accepted connections through their handshake: TLS 1.2 at least, HTTP/2 for those who ask for it. */
export class TlsDoor {
  readonly #server: Server;
  readonly #events: TlsEvents;
  /** Connections in their handshake, by the client's end of them. */
  readonly #inside = new Map<string, Socket>();

  constructor(certificate: ServingCertificate, handshakeMs: number, events: TlsEvents) {
    this.#events = events;
    this.#server = createServer({
      ALPNProtocols: ['h2', 'http/1.1'],
      minVersion: 'TLSv1.2',
      ...(handshakeMs > 0 && { handshakeTimeout: handshakeMs }),
    });
    certificate.serve((pair) => this.#server.setSecureContext({ ...pair, minVersion: 'TLSv1.2' }));
    this.#server.on('secureConnection', (socket) => this.#onSecure(socket));
    this.#server.on('tlsClientError', (_error, socket) => {
      events.onFailed();
      socket.destroy();
    });
  }

  get size(): number {
    return this.#inside.size;
  }

  enter(socket: Socket): void {
    const key = keyOf(socket);
    this.#inside.set(key, socket);
    socket.once('close', () => this.#leave(key, socket));
    this.#server.emit('connection', socket);
  }

  /** Ends every handshake. */
  close(): void {
    for (const socket of this.#inside.values()) socket.destroy();
  }

  #onSecure(socket: TLSSocket): void {
    const key = keyOf(socket);
    const raw = this.#inside.get(key);
    this.#events.onSecure(socket, raw);
    if (raw) this.#leave(key, raw);
  }

  #leave(key: string, socket: Socket): void {
    if (this.#inside.get(key) !== socket) return;
    this.#inside.delete(key);
    this.#events.onLeft();
  }
}

const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

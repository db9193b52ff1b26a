import { createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TandemError } from '../../src/base/errors.js';
import { type Address, listen } from '../../src/server/listen.js';
import { ConnectionGate } from '../connection-gate.js';
import { type Receive, withSharedReads } from '../http/shared-reads.js';
import type { Limits } from '../limits.js';
import { OpenList } from '../open-list.js';
import { routerErrors } from '../router-errors.js';
import { lastAnswer } from './answer-text.js';
import type { Carrier, ClientRequest } from './carrier.js';
import { type ConnectionOwner, H1Connection } from './h1-connection.js';
import { type ConnectionLimits, lingerMs } from './h1-phase.js';
import { H2Connection, type H2Owner } from './h2-connection.js';
import type { ServingCertificate } from './serving-certificate.js';
import { TlsDoor } from './tls-door.js';

export interface ClientEvents {
  onRequest(request: ClientRequest, carrier: Carrier): void;
  /** A request or connection was refused before it could become a request. */
  onRefused(error: TandemError): void;
  /** A client is read in Node's own, slower way, because this Node keeps its connections differently from those known here. */
  onPlainReads(): void;
}

/** Between two looks at the clock for all connections, in milliseconds. */
const longestTurn = 1000;
const shortestTurn = 20;
/** Refused clients that may read why at one moment; more are closed without a word. */
const mostLingering = 1000;

/** Accepts clients, in cleartext or over TLS, and keeps the time of their connections with one timer for all. */
export class ClientServer implements ConnectionOwner, H2Owner {
  readonly limits: ConnectionLimits;
  readonly #events: ClientEvents;
  readonly #server: Server;
  readonly #gate: ConnectionGate;
  readonly #open = new OpenList<H1Connection | H2Connection>();
  readonly #door: TlsDoor | undefined;
  readonly #turnMs: number;
  readonly #most: number;
  #lingering = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #onEmpty: (() => void) | undefined;

  constructor(limits: Limits, events: ClientEvents, certificate?: ServingCertificate) {
    this.limits = connectionLimits(limits);
    this.#events = events;
    this.#most = limits.connections;
    this.#gate = new ConnectionGate(limits.connectionsPerClient);
    this.#turnMs = Math.min(longestTurn, Math.max(shortestTurn, limits.requestMs / 4));
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    this.#door = certificate && this.#openDoor(certificate);
  }

  get isStopping(): boolean {
    return this.#stopping;
  }

  /** Open ones, and those in their handshake. */
  get connections(): number {
    return this.#open.size + (this.#door?.size ?? 0);
  }

  listen(address: Address): Promise<Address> {
    return listen(this.#server, address);
  }

  onRequest(request: ClientRequest, carrier: Carrier): void {
    this.#events.onRequest(request, carrier);
  }

  onRefused(error: TandemError): void {
    this.#events.onRefused(error);
  }

  onClosed(connection: H1Connection | H2Connection): void {
    this.#open.delete(connection);
    this.#whenEmpty();
  }

  #whenEmpty(): void {
    if (this.connections > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#onEmpty?.();
  }

  /** Takes no more connections, and no more requests on those that are open. */
  beginStop(): void {
    this.#stopping = true;
    this.#server.close();
    this.#door?.close();
    for (const connection of this.#open) connection.finish();
  }

  /** Resolves when every client has taken its answer and gone, which those who do not within the limit are made to. */
  async closed(limitMs: number): Promise<void> {
    if (this.connections === 0) return;
    const timer = setTimeout(() => {
      for (const connection of this.#open) connection.destroy();
    }, limitMs);
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    clearTimeout(timer);
  }

  #accept(accepted: Socket): void {
    if (this.#door) {
      if (this.#isWelcome(accepted)) this.#door.enter(accepted);
      return;
    }
    let connection: H1Connection | undefined;
    const receive = (bytes: Buffer) => connection?.receive(bytes);
    const socket = withSharedReads(accepted, receive) ?? this.#withPlainReads(accepted, receive);
    if (!this.#isWelcome(socket)) return;
    connection = new H1Connection(socket, this);
    this.#add(connection);
  }

  #withPlainReads(socket: Socket, receive: Receive): Socket {
    this.#events.onPlainReads();
    return socket.on('data', receive);
  }

  /** There is room for this connection; otherwise it is turned away. */
  #isWelcome(socket: Socket): boolean {
    if (this.connections >= this.#most) {
      this.#turnAway(socket, routerErrors('overloaded', { has: `${this.#most} connections` }));
      return false;
    }
    if (this.#gate.admits(socket)) return true;
    this.#turnAway(socket, routerErrors('too-many-connections', {}));
    return false;
  }

  #openDoor(certificate: ServingCertificate): TlsDoor {
    return new TlsDoor(certificate, this.limits.headMs, {
      onSecure: (socket, raw) => {
        this.#add(socket.alpnProtocol === 'h2' ? new H2Connection(socket, this) : this.#overTls(socket, raw));
      },
      onFailed: () => this.#events.onRefused(routerErrors('no-handshake', {})),
      onLeft: () => this.#whenEmpty(),
    });
  }

  #overTls(socket: TLSSocket, raw: Socket | undefined): H1Connection {
    const connection = new H1Connection(socket, this, raw);
    socket.on('data', (bytes: Buffer) => connection.receive(bytes));
    return connection;
  }

  #add(connection: H1Connection | H2Connection): void {
    this.#open.add(connection);
    if (this.#stopping) connection.finish();
    this.#timer ??= setInterval(() => this.#checkTimes(), this.#turnMs);
  }

  #turnAway(socket: Socket, error: TandemError): void {
    this.#events.onRefused(error);
    // Words would reach a client of TLS before its handshake.
    if (this.#door || this.#lingering >= mostLingering) {
      socket.destroy();
      return;
    }
    this.#lingering += 1;
    socket.on('error', () => undefined); // the client left first: `close` follows
    socket.resume();
    socket.end(lastAnswer(error), 'latin1');
    const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
    socket.once('close', () => {
      this.#lingering -= 1;
      clearTimeout(timer);
    });
  }

  #checkTimes(): void {
    const now = performance.now();
    for (const connection of this.#open) connection.checkTime(now);
  }
}

/** A head is small: whoever needs longer than a quarter of a minute for it only holds a connection. */
const mostHeadMs = 15_000;

function connectionLimits({ headerBytes, requestMs, keepAliveMs, slowClientMs }: Limits): ConnectionLimits {
  return { headerBytes, headMs: Math.min(requestMs, mostHeadMs), requestMs, keepAliveMs, slowClientMs };
}

import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Receive, sharedReads } from '../http/shared-reads.js';
import { EngineConnection } from './connection.js';
import { type EngineTrust, whyNoConnection } from './engine-trust.js';
import type { EngineRequest, Exchange } from './exchange.js';
import { EngineFailure } from './failure.js';
import type { ResponseHead } from './response-head.js';

/** Where an engine listens. */
export interface EngineAddress {
  readonly ip: string;
  readonly port: number;
  readonly tls: boolean;
}

export interface PoolOptions {
  /** A free connection older than this is closed. uvicorn closes at 5 s: stay below, or the next request meets a reset. */
  readonly keepAliveMs: number;
  /** Free connections kept per engine. */
  readonly maxFree: number;
  readonly tls?: EngineTrust;
}

/** A request under way. */
export interface Call {
  /** True once the kernel has taken the whole request. */
  readonly delivered: boolean;
  /** Resolves when `delivered` becomes true, or when it no longer can. */
  readonly deliveredOrOver: Promise<void>;
  abort(why: string): void;
  pause(): void;
  resume(): void;
}

/** What calls are told that end because nobody may wait for them any more. */
const stopping = 'the router stops';

export const defaultPool: PoolOptions = { keepAliveMs: 4000, maxFree: 256 };

/** In place of a request that is not sent again, and need not be kept. */
const sent: EngineRequest = { deadlines: { connect: 0, head: 0, idle: 0 }, writeTo: () => undefined };

/** Keep-alive connections to all engines. */
export class EnginePool {
  readonly #options: PoolOptions;
  readonly #free = new Map<string, EngineConnection[]>();
  readonly #open = new Set<EngineConnection>();
  readonly #connecting = new Set<Socket>();
  #sweep: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: PoolOptions = defaultPool) {
    this.#options = options;
  }

  /** Connections that exist, free or not. */
  get size(): number {
    return this.#open.size;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /**
   * Sends a request. With `again`, a reset of a re-used connection before any byte of an answer is tried once more on a new
   * one; only for a request that an engine may see twice.
   */
  request(to: EngineAddress, request: EngineRequest, exchange: Exchange, again: boolean): Call {
    const call = new PooledCall(this, to, request, exchange);
    call.start(this.#takeFree(keyOf(to)), again);
    return call;
  }

  /** Closes every connection; calls under way, and those that are still to be made, fail as aborted. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
    for (const connection of this.#open) connection.abort(stopping);
    for (const socket of this.#connecting) socket.destroy();
    this.#free.clear();
  }

  connect(to: EngineAddress, deadline: number, done: (connection: EngineConnection | Error) => void): Socket {
    let connection: EngineConnection | undefined;
    // What the socket calls back later keeps this scope, but not the call that the connection is made for.
    let tell: typeof done | undefined = done;
    const receive = (bytes: Buffer) => connection?.receive(bytes);
    const socket = to.tls ? this.#openTls(to, receive) : openTcp(to, receive);
    this.#connecting.add(socket);
    const timer = setTimeout(() => socket.destroy(noConnection(deadline)), deadline);
    const finish = (result: EngineConnection | Error) => {
      clearTimeout(timer);
      this.#connecting.delete(socket);
      socket.off('error', finish);
      socket.off('close', onClose);
      tell?.(result);
      tell = undefined;
    };
    const onClose = () => finish(new Error('the connection was given up'));
    socket.once('error', finish);
    socket.once('close', onClose);
    socket.once(to.tls ? 'secureConnect' : 'connect', () => {
      connection = this.#adopt(keyOf(to), socket);
      finish(connection);
    });
    return socket;
  }

  #openTls({ ip, port }: EngineAddress, receive: Receive): Socket {
    return connectTls({ host: ip, port, ...this.#options.tls }).on('data', receive);
  }

  #adopt(key: string, socket: Socket): EngineConnection {
    const connection = new EngineConnection(socket, {
      onFree: (free) => this.#keep(key, free),
      onClosed: (gone) => this.#drop(key, gone),
    });
    this.#open.add(connection);
    return connection;
  }

  #takeFree(key: string): EngineConnection | undefined {
    const free = this.#free.get(key);
    const oldest = performance.now() - this.#options.keepAliveMs;
    for (let connection = free?.pop(); connection; connection = free?.pop()) {
      if (!connection.socket.destroyed && connection.socket.writable && connection.freeSince > oldest) {
        return connection;
      }
      connection.socket.destroy();
    }
    return undefined;
  }

  #keep(key: string, connection: EngineConnection): void {
    const free = this.#free.get(key) ?? [];
    this.#free.set(key, free);
    if (this.#closed || free.length >= this.#options.maxFree) {
      connection.socket.destroy();
      return;
    }
    connection.freeSince = performance.now();
    free.push(connection);
    this.#sweep ??= setInterval(() => this.#closeOld(), 1000).unref();
  }

  #drop(key: string, connection: EngineConnection): void {
    this.#open.delete(connection);
    const free = this.#free.get(key);
    const at = free?.indexOf(connection) ?? -1;
    if (at >= 0) free?.splice(at, 1);
    if (free?.length === 0) this.#free.delete(key);
  }

  #closeOld(): void {
    const oldest = performance.now() - this.#options.keepAliveMs;
    for (const free of this.#free.values()) {
      for (const connection of [...free]) if (connection.freeSince <= oldest) connection.socket.destroy();
    }
    if (this.#free.size === 0) {
      clearInterval(this.#sweep);
      this.#sweep = undefined;
    }
  }
}

const openTcp = ({ ip, port }: EngineAddress, receive: Receive): Socket =>
  connectTcp({ host: ip, port, onread: sharedReads(receive) });

/** The call is its own listener: what it hears it passes on to the exchange, without a closure for each event. */
class PooledCall implements Call, Exchange {
  delivered = false;
  readonly #pool: EnginePool;
  readonly #to: EngineAddress;
  #request: EngineRequest;
  readonly #exchange: Exchange;
  #connection: EngineConnection | undefined;
  #connecting: Socket | undefined;
  #over = false;
  #again = false;
  #settled: Promise<void> | undefined;
  #settle: (() => void) | undefined;

  constructor(pool: EnginePool, to: EngineAddress, request: EngineRequest, exchange: Exchange) {
    this.#pool = pool;
    this.#to = to;
    this.#request = request;
    this.#exchange = exchange;
  }

  get deliveredOrOver(): Promise<void> {
    if (this.delivered || this.#over) return Promise.resolve();
    this.#settled ??= new Promise((resolve) => {
      this.#settle = resolve;
    });
    return this.#settled;
  }

  start(free: EngineConnection | undefined, again: boolean): void {
    this.#again = again;
    if (free) this.#send(free);
    else this.#connect();
  }

  onHead(head: ResponseHead): void {
    this.#request = sent;
    this.#exchange.onHead(head);
  }

  onBody(bytes: Buffer, from: number, to: number, framedFrom: number, framedTo: number): void {
    this.#exchange.onBody(bytes, from, to, framedFrom, framedTo);
  }

  onEnd(): void {
    this.#end();
    this.#exchange.onEnd();
  }

  onFailure(failure: EngineFailure): void {
    if (this.#again && failure.fault === 'reset' && this.#connection?.heard === false) {
      this.#connection = undefined;
      this.#connect();
      return;
    }
    this.#end();
    this.#exchange.onFailure(failure);
  }

  abort(why: string): void {
    if (this.#over) return; // its connection may already serve another call
    if (this.#connection) {
      this.#connection.abort(why);
      return;
    }
    this.#end();
    this.#connecting?.destroy();
    queueMicrotask(() => this.#exchange.onFailure(new EngineFailure('connect', 'aborted', why)));
  }

  pause(): void {
    if (!this.#over) this.#connection?.pause();
  }

  resume(): void {
    if (!this.#over) this.#connection?.resume();
  }

  #connect(): void {
    this.#again = false;
    if (this.delivered) {
      this.delivered = false;
      this.#settled = undefined;
    }
    if (this.#pool.isClosed) {
      this.abort(stopping);
      return;
    }
    this.#connecting = this.#pool.connect(this.#to, this.#request.deadlines.connect, (result) => {
      this.#connecting = undefined;
      if (this.#over) return; // aborted: its socket is destroyed, and never connects
      if (this.#pool.isClosed) this.abort(stopping);
      else if (result instanceof Error) this.#onNoConnection(result);
      else this.#send(result);
    });
  }

  #onNoConnection(error: Error): void {
    this.#end();
    const failure =
      error instanceof EngineFailure ? error : new EngineFailure('connect', 'refused', whyNoConnection(error), error);
    this.#exchange.onFailure(failure);
  }

  #send(connection: EngineConnection): void {
    this.#connection = connection;
    connection.send(this.#request, this, (error) => {
      if (error || connection.socket.destroyed) return; // Node names no error for what a closed socket had not written
      this.delivered = true;
      this.#settle?.();
    });
  }

  #end(): void {
    this.#over = true;
    this.#settle?.();
  }
}

const keyOf = ({ ip, port, tls }: EngineAddress): string => `${tls ? 'https' : 'http'}://${ip}:${port}`;

const noConnection = (deadline: number): EngineFailure =>
  new EngineFailure('connect', 'timeout', `no connection within ${deadline / 1000} s`);

import type { Socket } from 'node:net';

/** Counts open connections by client address, and keeps one client from taking them all. */
export class ConnectionGate {
  readonly #limit: number;
  readonly #open = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether this connection may stay; its place is free again when it closes. */
  admits(socket: Socket): boolean {
    const client = socket.remoteAddress;
    if (client === undefined) return true; // it is gone already
    const has = this.#open.get(client) ?? 0;
    if (has >= this.#limit) return false;
    this.#open.set(client, has + 1);
    socket.once('close', () => this.#leave(client));
    return true;
  }

  #leave(client: string): void {
    const has = this.#open.get(client) ?? 0;
    if (has > 1) this.#open.set(client, has - 1);
    else this.#open.delete(client);
  }
}

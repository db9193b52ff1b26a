import { createServer, type Server } from 'node:net';
import { table } from '../../base/errors.js';

export const addressErrors = table({
  'no-address-block': {
    status: 500,
    retryable: true,
    says: () =>
      'every loopback block 127.1.0.0/16 to 127.254.0.0/16 is held by another lab; stop one of them and start again',
  },
  'block-exhausted': {
    status: 500,
    retryable: true,
    says: (m: { block: string }) =>
      `all addresses of the loopback block ${m.block} are in use; delete pods or stop this lab`,
  },
});

/**
 * Loopback addresses for the nodes and pods of one lab: `127.B.x.y`. On Linux all of 127.0.0.0/8 answers without
 * configuration. A lab holds its block B by listening in it, so that labs side by side never share an address.
 */
export class Addresses implements AsyncDisposable {
  readonly block: number;
  readonly #lock: Server;
  readonly #used = new Set<number>();
  #next = podsFrom;

  private constructor(block: number, lock: Server) {
    this.block = block;
    this.#lock = lock;
  }

  /** Claims the first free block, looking from `first` on. */
  static async claim(first = 64): Promise<Addresses> {
    for (let offset = 0; offset < 254; offset += 1) {
      const block = ((first - 1 + offset) % 254) + 1;
      const lock = await hold(`127.${block}.255.254`);
      if (lock) return new Addresses(block, lock);
    }
    throw addressErrors('no-address-block', undefined as never);
  }

  /** An address that was not given out recently, so that nobody meets a new pod under the address of an old one. */
  take(): string {
    for (let tried = 0; tried < podsTo - podsFrom; tried += 1) {
      const number = this.#next;
      this.#next = number + 1 >= podsTo ? podsFrom : number + 1;
      // .0 and .255 are left out: they look like networks and broadcasts to people.
      const last = number % 256;
      if (this.#used.has(number) || last === 0 || last === 255) continue;
      this.#used.add(number);
      return this.#spell(number);
    }
    throw addressErrors('block-exhausted', { block: `127.${this.block}.0.0/16` });
  }

  give(address: string): void {
    const [, , high, low] = address.split('.').map(Number);
    this.#used.delete((high ?? 0) * 256 + (low ?? 0));
  }

  /** The address of the node with this index. */
  ofNode(index: number): string {
    return this.#spell(1 + Math.floor(index / 254) * 256 + (index % 254));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#lock.close(() => resolve()));
  }

  #spell(number: number): string {
    return `127.${this.block}.${Math.floor(number / 256)}.${number % 256}`;
  }
}

/** Pods have 127.B.16.1 and up; nodes lie below. */
const podsFrom = 16 * 256 + 1;
const podsTo = 255 * 256;
const lockPort = 61_001;

async function hold(host: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  const held = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(lockPort, host, () => resolve(true));
  });
  return held ? server : undefined;
}

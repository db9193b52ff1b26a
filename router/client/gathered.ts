import { bodyMemory } from '../http/body-memory.js';

/** What is set aside at once for bytes that are announced and not here yet. */
const mostAhead = 256 * 1024;
const none = Buffer.alloc(0);

/** Bytes that come in pieces, in one buffer that doubles: a body in a million pieces costs no more than one in two. */
export class Gathered {
  #held: Buffer = none;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** All bytes so far, which are not kept here any longer. */
  take(): Buffer {
    const bytes = this.#size === this.#held.length ? this.#held : this.#held.subarray(0, this.#size);
    this.#held = none;
    this.#size = 0;
    return bytes;
  }

  /** Copies `from` to `to`; so many bytes will follow, where that is known. */
  add(bytes: Buffer, from: number, to: number, ahead?: number): void {
    const size = this.#size + to - from;
    if (size > this.#held.length) {
      const larger = bodyMemory.take(roomFor(size, ahead));
      this.#held.copy(larger, 0, 0, this.#size);
      bodyMemory.giveBack(this.#held);
      this.#held = larger;
    }
    bytes.copy(this.#held, this.#size, from, to);
    this.#size = size;
  }
}

/** What is announced fits to the byte: memory beyond it would be new to the process with each body. */
function roomFor(size: number, ahead: number | undefined): number {
  if (ahead === undefined) return Math.max(size * 2, 4096);
  return ahead <= mostAhead ? size + ahead : Math.max(size * 2, size + mostAhead);
}

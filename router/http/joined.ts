import type { Socket } from 'node:net';
import type { Sent } from './pending-writes.js';

const room = 32 * 1024;
/** Where a body begins; its head is put right before it once its length is known. */
const bodyAt = 16 * 1024;
/** A shorter stretch is copied without the object that a call of `copy` makes. */
const byHandUpTo = 64;

/**
 * Puts a small message together in memory that the next one uses again, so that neither its text nor a copy of its body is
 * left to be collected, and writes it in one piece.
 */
class Joined {
  #bytes = Buffer.allocUnsafeSlow(room);
  #source: Buffer = this.#bytes;
  #end = bodyAt;

  /** Begins a body, of which stretches come from `source`. Nothing else is begun before `write`. */
  begin(source: Buffer): this {
    this.#source = source;
    this.#end = bodyAt;
    return this;
  }

  /** Bytes of body so far. */
  get size(): number {
    return this.#end - bodyAt;
  }

  copy(from: number, to: number): void {
    const count = to - from;
    if (count > byHandUpTo) this.#source.copy(this.#bytes, this.#end, from, to);
    else for (let i = 0; i < count; i += 1) this.#bytes[this.#end + i] = this.#source[from + i] as number;
    this.#end += count;
  }

  /** One byte a character. */
  insert(latin1: string): void {
    this.#end += this.#bytes.write(latin1, this.#end, 'latin1');
  }

  /** Writes the head, which is given in two texts of one byte a character, and the body. */
  write(socket: Socket, common: string, own: string, sent: Sent): void {
    const ownAt = bodyAt - own.length;
    const from = ownAt - common.length;
    this.#bytes.write(common, from, 'latin1');
    this.#bytes.write(own, ownAt, 'latin1');
    socket.write(this.#bytes.subarray(from, this.#end), sent);
    // What the kernel has not taken at once, the socket reads from here later.
    if (socket.writableLength > 0) this.#bytes = Buffer.allocUnsafeSlow(room);
  }
}

/** Longest head and longest body that `joined` has room for. */
export const mostJoined = bodyAt;
/** Of this thread: a message is begun and written in one go. */
export const joined = new Joined();
export type { Joined };

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

  /** Takes bytes over as they are, when they are all there will be. */
  adopt(bytes: Buffer): void {
    this.#held = bytes;
    this.#size = bytes.length;
  }

  /** Copies `from` to `to`; so many bytes will follow. */
  add(bytes: Buffer, from: number, to: number, ahead: number): void {
    const size = this.#size + to - from;
    if (size > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(roomFor(size, ahead));
      this.#held.copy(larger, 0, 0, this.#size);
      this.#held = larger;
    }
    bytes.copy(this.#held, this.#size, from, to);
    this.#size = size;
  }
}

/** What is announced fits to the byte: memory beyond it would be new to the process with each body. */
function roomFor(size: number, ahead: number): number {
  if (ahead > 0 && ahead <= mostAhead) return size + ahead;
  return Math.max(size * 2, 4096, size + Math.min(ahead, mostAhead));
}

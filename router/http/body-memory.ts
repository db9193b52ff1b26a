/** A smaller body is not worth keeping its memory for; a larger one comes too seldom. */
const smallest = 32 * 1024;
const largest = 1024 * 1024;
const step = 64 * 1024;
/** Of bytes that lie ready. */
const mostKept = 16 * 1024 * 1024;

/**
 * Memory of large bodies, which later ones use again. Otherwise each body takes memory that is new to the processor's caches,
 * and V8, which sees it grow, collects garbage all the time (docs/performance.md). Bounded: 16 MB lie ready at most.
 */
export class BodyMemory {
  /** By size, in steps; of each the one used last lies on top. */
  readonly #free: ArrayBufferLike[][] = [];
  #kept = 0;

  /** Bytes that lie ready. */
  get kept(): number {
    return this.#kept;
  }

  /** So many bytes, of any content. */
  take(size: number): Buffer {
    if (size <= smallest || size > largest) return Buffer.allocUnsafe(size);
    const steps = Math.ceil(size / step);
    const memory = this.#free[steps]?.pop();
    if (memory === undefined) return Buffer.allocUnsafeSlow(steps * step).subarray(0, size);
    this.#kept -= memory.byteLength;
    return Buffer.from(memory, 0, size);
  }

  /** Takes back what `take` gave, once nobody reads it any more: it soon holds another client's body. */
  giveBack({ buffer, length }: Buffer): void {
    const steps = buffer.byteLength / step;
    if (length <= smallest || !Number.isInteger(steps) || buffer.byteLength > largest) return;
    if (this.#kept + buffer.byteLength > mostKept) return;
    this.#kept += buffer.byteLength;
    this.#free[steps] ??= [];
    this.#free[steps].push(buffer);
  }
}

/** Of this thread. */
export const bodyMemory = new BodyMemory();

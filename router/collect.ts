import type { Exchange } from './engine/exchange.js';
import { EngineFailure } from './engine/failure.js';
import type { ResponseHead } from './engine/response-head.js';

/** A whole response, held in memory. */
export interface EngineAnswer {
  readonly status: number;
  /** Header lines, each with its line end. */
  readonly headers: string;
  readonly isDated: boolean;
  readonly body: Buffer;
}

/** Of its own, where the bytes themselves are only lent. */
export function copyOf(bytes: Buffer, from: number, to: number): Buffer {
  const copy = Buffer.allocUnsafe(to - from);
  bytes.copy(copy, 0, from, to);
  return copy;
}

/** Holds back a response until it is whole, and tells its owner how it ended, once. */
export class Collector implements Exchange {
  /** The engine has begun to answer. */
  headSeen = false;
  readonly #limit: number;
  readonly #over: (end: EngineAnswer | EngineFailure) => void;
  readonly #parts: Buffer[] = [];
  #size = 0;
  #head: ResponseHead | undefined;
  #isOver = false;

  /** @param limit bytes; the call of a larger answer, which nobody can hold, is for the owner to end */
  constructor(limit: number, over: (end: EngineAnswer | EngineFailure) => void) {
    this.#limit = limit;
    this.#over = over;
  }

  onHead(head: ResponseHead): void {
    this.headSeen = true;
    this.#head = head;
  }

  onBody(bytes: Buffer, from: number, to: number): void {
    this.#size += to - from;
    if (this.#size <= this.#limit) this.#parts.push(copyOf(bytes, from, to));
    else this.#finish(new EngineFailure('body', 'protocol', `the answer is larger than ${this.#limit} bytes`));
  }

  onEnd(): void {
    if (!this.#head) return;
    const { status, headers, isDated } = this.#head;
    const [first] = this.#parts;
    const body = this.#parts.length === 1 && first ? first : Buffer.concat(this.#parts);
    this.#finish({ status, headers, isDated, body });
  }

  onFailure(failure: EngineFailure): void {
    this.#finish(failure);
  }

  #finish(end: EngineAnswer | EngineFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#over(end);
  }
}

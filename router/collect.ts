import type { Exchange } from './engine/exchange.js';
import { EngineFailure } from './engine/failure.js';
import type { ResponseHead } from './engine/response-head.js';

/** A whole response, held in memory. */
export interface EngineAnswer {
  readonly status: number;
  /** Header lines, each with its line end. */
  readonly headers: string;
  readonly isDated: boolean;
  readonly contentType: string;
  readonly body: Buffer;
}

/** Holds back a response until it is whole. `onTooLarge` is for the owner to end a call whose answer nobody can hold. */
export class Collector implements Exchange {
  readonly answer: Promise<EngineAnswer>;
  /** The engine has begun to answer. */
  headSeen = false;
  readonly #limit: number;
  readonly #parts: Buffer[] = [];
  #size = 0;
  #head: ResponseHead | undefined;
  #resolve: (answer: EngineAnswer) => void = () => undefined;
  #reject: (failure: EngineFailure) => void = () => undefined;
  onTooLarge: () => void = () => undefined;

  constructor(limit: number) {
    this.#limit = limit;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  onHead(head: ResponseHead): void {
    this.headSeen = true;
    this.#head = head;
  }

  onBody(bytes: Buffer, from: number, to: number): void {
    this.#size += to - from;
    if (this.#size <= this.#limit) {
      this.#parts.push(Buffer.from(bytes.subarray(from, to)));
      return;
    }
    this.#reject(new EngineFailure('body', 'protocol', `the answer is larger than ${this.#limit} bytes`));
    this.onTooLarge();
  }

  onEnd(): void {
    if (!this.#head) return;
    const { status, headers, isDated, contentType } = this.#head;
    const [first] = this.#parts;
    const body = this.#parts.length === 1 && first ? first : Buffer.concat(this.#parts);
    this.#resolve({ status, headers, isDated, contentType, body });
  }

  onFailure(failure: EngineFailure): void {
    this.#reject(failure);
  }
}

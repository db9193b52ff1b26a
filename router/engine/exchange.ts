import type { EngineFailure } from './failure.js';
import type { ResponseHead } from './response-head.js';

/** Who hears what the engine answers. Exactly one of `onEnd` and `onFailure` comes last. */
export interface Exchange {
  onHead(head: ResponseHead): void;
  /** `framed` carries the engine's own chunk framing, when it has one, else it is `payload` itself. */
  onBody(payload: Buffer, framed: Buffer): void;
  onEnd(): void;
  onFailure(failure: EngineFailure): void;
}

/** Milliseconds; each phase has its own limit, and 0 means none. */
export interface Deadlines {
  readonly connect: number;
  /** From the request until the response head. */
  readonly head: number;
  /** Between two reads of the body. */
  readonly idle: number;
}

export interface EngineRequest {
  /** Request line and headers with their last empty line, latin1. */
  readonly head: string;
  readonly body: readonly Buffer[];
  readonly deadlines: Deadlines;
}

import type { Message } from '../http/pending-writes.js';
import type { EngineFailure } from './failure.js';
import type { ResponseHead } from './response-head.js';

/** Who hears what the engine answers. Exactly one of `onEnd` and `onFailure` comes last. */
export interface Exchange {
  onHead(head: ResponseHead): void;
  /**
   * A stretch of body, `from` to `to`, inside the engine's own chunk framing, `framedFrom` to `framedTo`; both are the same
   * where there is none. The bytes are only there during the call.
   */
  onBody(bytes: Buffer, from: number, to: number, framedFrom: number, framedTo: number): void;
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

/** May be written more than once, each time to another connection. */
export interface EngineRequest extends Message {
  readonly deadlines: Deadlines;
}

import type { Framing } from '../engine/response-head.js';
import type { RequestHead } from './request-head.js';

/** Hears what becomes of the client while its answer is open. */
export interface CarrierListener {
  /** The client has taken what waited for it. */
  onDrain(): void;
  /** The client closed its side, or all of it, before the answer was complete. */
  onLeave(): void;
}

/** What carries one answer at a time to a client: a connection of HTTP/1.1, or a stream of HTTP/2. */
export interface Carrier {
  /** Bytes that the client has not taken yet. */
  readonly backlog: number;
  /** A number that changes whenever a client with a backlog takes something of it, as far as can be seen from here. */
  readonly progress: number;
  /** Whether `passFramed` may be used; known once the answer has begun. */
  readonly takesFraming: boolean;
  listen(listener: CarrierListener): void;
  /** Tells a client that waits for it that its body is wanted. */
  sendContinue(): void;
  /** A whole answer in one go; without a body there is no length either. `headers` are whole lines. */
  sendWhole(status: number, headers: string, body: Buffer | undefined): void;
  /** Starts an answer. It leaves with the first bytes of its body, or with its end. */
  begin(status: number, headers: string, framing: Framing): void;
  /** Bytes of body; a text holds one byte a character. False when the client is behind: `onDrain` follows. */
  write(payload: Buffer | string): boolean;
  /** The same inside the engine's chunk framing, as it came. */
  passFramed(framed: Buffer | string): boolean;
  end(): void;
  /** Breaks off, so that the client cannot take what it got for a whole answer. */
  cut(): void;
}

/** Is told how many bytes of a body have come; throws when there is no room for them. */
export type Take = (bytes: number) => void;

/** One request whose head has been read. */
export interface ClientRequest {
  readonly head: RequestHead;
  /**
   * The body, at once when all of it has come. To be called once.
   *
   * @throws what `take` throws; ClientLeft; the error of a body that is not legal or comes too slowly
   */
  readBody(take: Take): Buffer | Promise<Buffer>;
}

/** The client went away while it was still sending: nobody is left to answer. */
export class ClientLeft extends Error {
  override readonly name = 'ClientLeft';
}

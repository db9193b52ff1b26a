import type { IncomingMessage } from 'node:http';
import { reviewErrors } from './errors.js';

const mebibyte = 1024 * 1024;
/** Two objects of 3 MB, the largest that etcd takes, and their envelope. */
const mostBytes = 7 * mebibyte;
const limit = '7 MiB';

/** How many bytes of bodies one process holds at a time, whoever sends them: connections are many, memory is one. */
export class BodyBudget {
  readonly #most: number;
  #held = 0;

  constructor(most: number = 64 * mebibyte) {
    this.#most = most;
  }

  get held(): number {
    return this.#held;
  }

  get limit(): string {
    return `${this.#most / mebibyte} MiB`;
  }

  hasRoomFor(bytes: number): boolean {
    return this.#held + bytes <= this.#most;
  }

  /** Counts bytes until they are given back, whether or not there is room for them. */
  take(bytes: number): void {
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/**
 * Calls `use` with the whole body of a request, in one piece, which counts against the budget until `use` is done. Rejects
 * with `wrong-encoding`, `body-too-large` or `too-much-at-once` as soon as that is known, when the rest is not read, and
 * with `not-readable` when the sender leaves before the end.
 */
export async function withBody<T>(
  request: IncomingMessage,
  budget: BodyBudget,
  use: (body: Buffer) => Promise<T>,
): Promise<T> {
  const { 'content-encoding': encoding = 'identity', 'content-length': announced = 0 } = request.headers;
  if (encoding !== 'identity') throw reviewErrors('wrong-encoding', { encoding: encoding.slice(0, 100) });
  if (Number(announced) > mostBytes) throw reviewErrors('body-too-large', { limit });
  // Only bytes that have come count: senders that announce much and send nothing must not keep the others out.
  if (!budget.hasRoomFor(Number(announced))) throw reviewErrors('too-much-at-once', { limit: budget.limit });
  const share = { held: 0 };
  try {
    return await use(await collect(request, budget, share));
  } finally {
    budget.give(share.held);
  }
}

function collect(request: IncomingMessage, budget: BodyBudget, share: { held: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const refuse = (error: Error) => {
      request.removeAllListeners('data');
      request.pause();
      pieces.length = 0;
      reject(error);
    };
    request.on('data', (piece: Buffer) => {
      if (share.held + piece.length > mostBytes) return refuse(reviewErrors('body-too-large', { limit }));
      if (!budget.hasRoomFor(piece.length)) return refuse(reviewErrors('too-much-at-once', { limit: budget.limit }));
      budget.take(piece.length);
      share.held += piece.length;
      pieces.push(piece);
    });
    request.on('end', () => resolve(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces, share.held)));
    request.on('error', (cause) => reject(reviewErrors('not-readable', { why: 'it ends too early' }, cause)));
  });
}

import { ChunkedReader } from '../http/chunked-reader.js';
import { ProtocolError } from '../http/protocol-error.js';
import { routerErrors } from '../router-errors.js';
import type { Take } from './carrier.js';
import { Gathered } from './gathered.js';
import type { RequestFraming } from './request-head.js';

const none = Buffer.alloc(0);

/** Takes one request body from the bytes of its connection. */
export class BodyReader {
  /** What came after the end of the body. */
  rest: Buffer = none;
  /** The body has come to its last byte. */
  isDone: boolean;
  readonly #chunks: ChunkedReader | undefined;
  #left: number;
  readonly #body = new Gathered();

  constructor(framing: RequestFraming) {
    this.#chunks = framing.by === 'chunks' ? new ChunkedReader() : undefined;
    this.#left = framing.by === 'length' ? framing.bytes : 0;
    this.isDone = framing.by === 'length' && framing.bytes === 0;
  }

  /** The body, which is not kept here any longer. */
  takeBody(): Buffer {
    return this.#body.take();
  }

  /**
   * Takes bytes, which are kept and must not change afterwards. `take` is told of each stretch before it is kept.
   *
   * @throws TandemError
   */
  push(bytes: Buffer, take: Take): void {
    if (this.#chunks) this.#pushChunks(this.#chunks, bytes, take);
    else this.#pushCounted(bytes, take);
  }

  #pushCounted(bytes: Buffer, take: Take): void {
    const count = Math.min(bytes.length, this.#left);
    take(count);
    const isFirst = this.#body.size === 0;
    this.#left -= count;
    this.isDone = this.#left === 0;
    if (count < bytes.length) this.rest = bytes.subarray(count);
    // A body that comes in one piece is not copied.
    if (isFirst && this.isDone) {
      this.#body.adopt(count === bytes.length ? bytes : bytes.subarray(0, count));
    } else {
      this.#body.add(bytes, 0, count, this.#left);
    }
  }

  #pushChunks(chunks: ChunkedReader, bytes: Buffer, take: Take): void {
    try {
      this.isDone = chunks.push(bytes, (piece, from, to) => {
        take(to - from);
        this.#body.add(piece, from, to, 0);
      });
      this.rest = chunks.rest;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw asRefusal(error);
    }
  }
}

function asRefusal(error: ProtocolError): Error {
  switch (error.fault) {
    case 'extension-too-long':
      return routerErrors('chunk-extensions-too-large', {}, error);
    case 'trailers-too-long':
      return routerErrors('headers-too-large', {}, error);
    case 'illegal':
      return routerErrors('bad-http', { why: error.message }, error);
  }
}

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
   * Takes bytes, of which it keeps copies only; `rest` is part of them. `take` is told of each stretch before it is kept.
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
    this.#left -= count;
    this.isDone = this.#left === 0;
    if (count < bytes.length) this.rest = bytes.subarray(count);
    this.#body.add(bytes, 0, count, this.#left);
  }

  #pushChunks(chunks: ChunkedReader, bytes: Buffer, take: Take): void {
    try {
      this.isDone = chunks.push(bytes, (piece, from, to) => {
        take(to - from);
        this.#body.add(piece, from, to);
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

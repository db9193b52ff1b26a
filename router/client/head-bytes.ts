import type { TandemError } from '../../src/base/errors.js';
import { routerErrors } from '../router-errors.js';

const none = Buffer.alloc(0);
const blankLine = '\r\n\r\n';
/** A line feed alone, a carriage return alone, or a control character: no head can become legal after them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const broken = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[^\r]\n|\r[^\n]/;

/** Collects the bytes of a request head until its last empty line, and notices early what can be none. */
export class HeadBytes {
  #held: Buffer = none;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Adds bytes, of which it keeps copies only. Returns where the head ends in `bytes` of the result, without its empty line;
   * undefined while it is not whole.
   *
   * @throws TandemError that the client reads
   */
  push(more: Buffer): { readonly bytes: Buffer; readonly from: number; readonly end: number } | undefined {
    const before = this.#held.length;
    const bytes = before === 0 ? more : Buffer.concat([this.#held, more]);
    const from = emptyLines(bytes);
    const end = bytes.indexOf(blankLine, Math.max(from, before - 3));
    if ((end < 0 ? bytes.length : end) > this.#limit) throw routerErrors('headers-too-large', {});
    if (end >= 0) {
      this.#held = none;
      return { bytes, from, end };
    }
    const fault = faultIn(bytes, from, before);
    if (fault) throw fault;
    this.#held = before === 0 ? Buffer.from(bytes) : bytes;
    return undefined;
  }
}

/** Empty lines before a request line are ignored (RFC 9112 2.2). */
function emptyLines(bytes: Buffer): number {
  let at = 0;
  while (bytes[at] === 13 && bytes[at + 1] === 10) at += 2;
  return at;
}

/** Looks only at what is new: a head that comes byte by byte is not read over and over. */
function faultIn(bytes: Buffer, from: number, before: number): TandemError | undefined {
  const first = bytes[from];
  if (first === undefined || (first === 13 && bytes.length === from + 1)) return undefined;
  if (first < 0x41 || first > 0x5a) return routerErrors('bad-http', { why: 'it does not start with a method' });
  const unread = bytes.toString('latin1', Math.max(from, before - 1));
  return broken.test(unread) ? routerErrors('bad-http', { why: 'a byte may not stand in a head' }) : undefined;
}

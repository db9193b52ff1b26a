import { ProtocolError } from './failure.js';

/** `payload` is content; `framed` is the same with its chunk framing, as it came, ready to be passed on. */
export type EmitChunk = (payload: Buffer, framed: Buffer) => void;

/** A longer chunk is passed on in pieces; a shorter one is held until it is whole, so that a cut never lands inside it. */
const largestHeld = 64 * 1024;
const longestSizeLine = 256;
const longestTrailers = 8 * 1024;
const none = Buffer.alloc(0);
const word = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
/** RFC 9112 7.1.1 without the white space that it asks to be tolerated and Node does not. */
const extensions = new RegExp(`^(;${word}(=(${word}|"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]*"))?)+\\r\\n$`);
const trailer = new RegExp(`^(${word}):[\\t\\x20-\\x7e\\x80-\\xff]*$`);
/** Framing after the body it frames: what a smuggled response looks like. */
const framing = /^(content-length|transfer-encoding)$/i;

/** Takes a chunked body apart without copying it. Trailers are read and dropped. */
export class ChunkedReader {
  #held: Buffer = none;
  /** Bytes of a large chunk, with its line end, that are still to come. */
  #left = 0;
  #inTrailers = false;

  /**
   * Emits every whole chunk in `bytes`. True once the body has ended; bytes after the end are illegal here, because
   * nothing was asked that they could answer.
   *
   * @throws ProtocolError
   */
  push(bytes: Buffer, emit: EmitChunk): boolean {
    let rest = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = none;
    if (this.#left > 0) rest = this.#large(rest, emit);
    if (!this.#inTrailers) rest = this.#wholeChunks(rest, emit);
    if (this.#inTrailers) return this.#trailers(rest);
    // A copy, so that a few waiting bytes do not keep a whole read buffer alive.
    this.#held = rest.length === 0 ? none : Buffer.from(rest);
    return false;
  }

  /** Emits chunk after chunk; returns what is left, which is less than a chunk, or the trailers. */
  #wholeChunks(bytes: Buffer, emit: EmitChunk): Buffer {
    let at = 0;
    while (at < bytes.length) {
      const size = sizeLine(bytes, at);
      if (size === undefined) break;
      if (size.bytes === 0) {
        this.#inTrailers = true;
        return bytes.subarray(size.end - 2); // the empty line ends the trailers, also when there are none
      }
      const end = size.end + size.bytes + 2;
      if (end > bytes.length) return this.#unfinished(bytes, at, size, emit);
      if (bytes[end - 2] !== 13 || bytes[end - 1] !== 10) throw new ProtocolError('a chunk is longer than it says');
      emit(bytes.subarray(size.end, end - 2), bytes.subarray(at, end));
      at = end;
    }
    return bytes.subarray(at);
  }

  #unfinished(bytes: Buffer, at: number, size: SizeLine, emit: EmitChunk): Buffer {
    if (size.bytes <= largestHeld) return bytes.subarray(at);
    const payload = bytes.subarray(size.end, Math.min(bytes.length, size.end + size.bytes));
    emit(payload, bytes.subarray(at));
    this.#left = size.end + size.bytes + 2 - bytes.length;
    return none;
  }

  #large(bytes: Buffer, emit: EmitChunk): Buffer {
    const piece = bytes.subarray(0, this.#left);
    const payload = piece.subarray(0, Math.max(0, Math.min(piece.length, this.#left - 2)));
    for (let i = payload.length; i < piece.length; i += 1) {
      const wanted = this.#left - i === 2 ? 13 : 10;
      if (piece[i] !== wanted) throw new ProtocolError('a chunk is longer than it says');
    }
    this.#left -= piece.length;
    emit(payload, piece);
    return bytes.subarray(piece.length);
  }

  #trailers(rest: Buffer): boolean {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) {
      if (rest.length > longestTrailers) throw new ProtocolError('trailers are too long');
      this.#held = Buffer.from(rest);
      return false;
    }
    if (rest.length > end + 4) throw new ProtocolError('bytes after the end of the body');
    if (end > 0) checkTrailers(rest.toString('latin1', 2, end));
    return true;
  }
}

function checkTrailers(text: string): void {
  for (const line of text.split('\r\n')) {
    const [, name] = trailer.exec(line) ?? [];
    if (name === undefined || framing.test(name)) throw new ProtocolError('a trailer is not legal');
  }
}

interface SizeLine {
  readonly bytes: number;
  /** Offset after the line. */
  readonly end: number;
}

/** Reads `SIZE[;extension]\r\n` at `from`; undefined while the line is not whole. */
function sizeLine(bytes: Buffer, from: number): SizeLine | undefined {
  let at = from;
  let size = 0;
  for (let digit = hexOf(bytes[at]); digit >= 0; digit = hexOf(bytes[at])) {
    size = size * 16 + digit;
    at += 1;
    if (at - from > 12) throw new ProtocolError('a chunk size is too large');
  }
  if (at === bytes.length) return undefined;
  if (at === from) throw new ProtocolError('a chunk does not start with its size');
  if (bytes[at] === 13 && bytes[at + 1] === 10) return { bytes: size, end: at + 2 };
  return extension(bytes, at, size);
}

function extension(bytes: Buffer, at: number, size: number): SizeLine | undefined {
  const line = bytes.indexOf(10, at);
  if ((line < 0 ? bytes.length : line) - at > longestSizeLine) throw new ProtocolError('a chunk extension is too long');
  if (line < 0) {
    if (bytes[at] === 0x3b || bytes[at] === 13) return undefined;
    throw new ProtocolError('a chunk size is not legal');
  }
  if (!extensions.test(bytes.toString('latin1', at, line + 1))) throw new ProtocolError('a chunk size is not legal');
  return { bytes: size, end: line + 1 };
}

function hexOf(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 32;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

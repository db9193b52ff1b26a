import { ProtocolError } from './protocol-error.js';

/**
 * One chunk, or a piece of a large one: its content, `from` to `to`, inside its framing as it came, `framedFrom` to `framedTo`.
 * The bytes are only there during the call.
 */
export type EmitChunk = (bytes: Buffer, from: number, to: number, framedFrom: number, framedTo: number) => void;

/** A longer chunk is passed on in pieces; a shorter one is held until it is whole, so that a cut never lands inside it. */
const largestHeld = 64 * 1024;
const longestSizeLine = 256;
const longestTrailers = 8 * 1024;
const none = Buffer.alloc(0);
const word = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
/** RFC 9112 7.1.1 without the white space that it asks to be tolerated and Node does not. */
const extensions = new RegExp(`^(;${word}(=(${word}|"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]*"))?)+\\r\\n$`);
const trailer = new RegExp(`^(${word}):[\\t\\x20-\\x7e\\x80-\\xff]*$`);
/** Framing after the body it frames: what a smuggled message looks like. */
const framing = /^(content-length|transfer-encoding)$/i;

/** Takes a chunked body apart without copying it. Trailers are read and dropped. */
export class ChunkedReader {
  /** What came after the end of the body. */
  rest: Buffer = none;
  #held: Buffer = none;
  /** Bytes of a large chunk, with its line end, that are still to come. */
  #left = 0;
  #inTrailers = false;

  /**
   * Emits every whole chunk in `bytes` from `from` on, of which it keeps copies only. True once the body has ended.
   *
   * @throws ProtocolError
   */
  push(bytes: Buffer, emit: EmitChunk, from = 0): boolean {
    const isFirst = this.#held.length === 0;
    const all = isFirst ? bytes : Buffer.concat([this.#held, bytes.subarray(from)]);
    this.#held = none;
    let at = isFirst ? from : 0;
    if (this.#left > 0) at = this.#large(all, at, emit);
    if (!this.#inTrailers) at = this.#wholeChunks(all, at, emit);
    if (this.#inTrailers) return this.#trailers(all, at);
    if (at < all.length) this.#held = Buffer.from(all.subarray(at));
    return false;
  }

  /** Emits chunk after chunk; returns the offset of what is left, which is less than a chunk, or the trailers. */
  #wholeChunks(bytes: Buffer, from: number, emit: EmitChunk): number {
    let at = from;
    while (at < bytes.length) {
      const size = sizeLine(bytes, at);
      if (size === undefined) break;
      if (size.bytes === 0) {
        this.#inTrailers = true;
        return size.end - 2; // the empty line ends the trailers, also when there are none
      }
      const end = size.end + size.bytes + 2;
      if (end > bytes.length) return this.#unfinished(bytes, at, size, emit);
      if (bytes[end - 2] !== 13 || bytes[end - 1] !== 10) throw new ProtocolError('a chunk is longer than it says');
      emit(bytes, size.end, end - 2, at, end);
      at = end;
    }
    return at;
  }

  #unfinished(bytes: Buffer, at: number, size: SizeLine, emit: EmitChunk): number {
    if (size.bytes <= largestHeld) return at;
    const end = size.end + size.bytes;
    if (bytes.length > end && bytes[end] !== 13) throw new ProtocolError('a chunk is longer than it says');
    emit(bytes, size.end, Math.min(bytes.length, end), at, bytes.length);
    this.#left = end + 2 - bytes.length;
    return bytes.length;
  }

  #large(bytes: Buffer, from: number, emit: EmitChunk): number {
    const piece = Math.min(bytes.length - from, this.#left);
    const payload = Math.max(0, Math.min(piece, this.#left - 2));
    for (let i = payload; i < piece; i += 1) {
      const wanted = this.#left - i === 2 ? 13 : 10;
      if (bytes[from + i] !== wanted) throw new ProtocolError('a chunk is longer than it says');
    }
    this.#left -= piece;
    emit(bytes, from, from + payload, from, from + piece);
    return from + piece;
  }

  #trailers(bytes: Buffer, from: number): boolean {
    const end = bytes.indexOf('\r\n\r\n', from);
    if ((end < 0 ? bytes.length : end) - from > longestTrailers) {
      throw new ProtocolError('trailers are too long', 'trailers-too-long');
    }
    if (end < 0) {
      this.#held = Buffer.from(bytes.subarray(from));
      return false;
    }
    if (end > from) checkTrailers(bytes.toString('latin1', from + 2, end));
    if (end + 4 < bytes.length) this.rest = bytes.subarray(end + 4);
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
  if ((line < 0 ? bytes.length : line) - at > longestSizeLine) {
    throw new ProtocolError('a chunk extension is too long', 'extension-too-long');
  }
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

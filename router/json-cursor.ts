import type { WantedKeys } from './wanted-keys.js';

/** Illegal JSON, with the byte where it shows. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
  readonly position: number;

  constructor(position: number, message: string) {
    super(message);
    this.position = position;
  }
}

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const openBracket = 0x5b;
const closeBrace = 0x7d;
const closeBracket = 0x5d;
const comma = 0x2c;

/** Longest key with escapes that is decoded: no member that anyone asks for has a longer name. */
const longestKey = 64;

/** Bytes that end a run of plain string content: quote, backslash, control characters. */
const endsRun = new Uint8Array(256);
endsRun.fill(1, 0, 0x20);
endsRun[quote] = 1;
endsRun[backslash] = 1;

/** What may follow a backslash, apart from `u` and its digits. */
const shortEscapes = new Uint8Array(256);
for (const letter of '"\\/bfnrt') shortEscapes[letter.charCodeAt(0)] = 1;

/** Bytes of a run that are looked at one by one before it counts as long. */
const shortRun = 24;
/** From so many bytes on, to look for one byte after another is cheaper than to look for all at once. */
const longRun = 2048;

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
const isHex = (byte: number | undefined): boolean =>
  isDigit(byte) || (byte !== undefined && (byte | 32) >= 0x61 && (byte | 32) <= 0x66);

function hasEnd(word: number): boolean {
  const quotes = word ^ 0x22222222;
  const slashes = word ^ 0x5c5c5c5c;
  const low = (word - 0x20202020) & ~word;
  return ((low | ((quotes - 0x01010101) & ~quotes) | ((slashes - 0x01010101) & ~slashes)) & 0x80808080) !== 0;
}

/** Whether one of sixteen bytes is below 0x20, or perhaps so: see `#endOfLongRun`. */
function hasControl(words: Int32Array, at: number): boolean {
  const a = words[at] as number;
  const b = words[at + 1] as number;
  const c = words[at + 2] as number;
  const d = words[at + 3] as number;
  const low = ((a - 0x20202020) & ~a) | ((b - 0x20202020) & ~b) | ((c - 0x20202020) & ~c) | ((d - 0x20202020) & ~d);
  return (low & 0x80808080) !== 0;
}

/** Walks over JSON values by their bytes, without recursion: depth is bounded by the length of the input only. */
export class JsonCursor {
  at = 0;
  readonly #bytes: Buffer;
  /** No backslash lies between where one was last looked for and here. */
  #backslash = -1;
  /** Offset after the closing quote of the latest key. */
  #keyEnd = 0;
  #nesting = new Uint8Array(32);

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): number | undefined {
    return this.#bytes[this.at];
  }

  skipSpace(): void {
    const bytes = this.#bytes;
    let at = this.at;
    for (let byte = bytes[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; byte = bytes[at])
      at += 1;
    this.at = at;
  }

  /** Reads `"key" :` and stands at the value. Undefined for a key that is not wanted. */
  key(wanted: WantedKeys): string | undefined {
    const start = this.at;
    const escaped = this.#skipKey();
    const end = this.#keyEnd;
    if (!escaped) return wanted.in(this.#bytes, start + 1, end - 1);
    // Six bytes may spell one character.
    if (end - start > longestKey * 6) return undefined;
    return wanted.named(JSON.parse(this.#bytes.toString('utf8', start, end)) as string);
  }

  /** Skips `"key" :` without reading it; true when it holds an escape. */
  #skipKey(): boolean {
    if (this.next() !== quote) throw new JsonError(this.at, 'expected a member name in double quotes');
    const escaped = this.#string();
    this.#keyEnd = this.at;
    this.skipSpace();
    if (this.next() !== 0x3a) throw new JsonError(this.at, 'expected : after a member name');
    this.at += 1;
    this.skipSpace();
    return escaped;
  }

  /** Skips one value of any depth. */
  skipValue(): void {
    let depth = 0;
    for (;;) {
      const byte = this.next();
      if (byte === openBrace || byte === openBracket) {
        if (this.#open(byte, depth)) {
          depth += 1;
          continue;
        }
      } else {
        this.#scalar(byte);
      }
      depth = this.#afterValue(depth);
      if (depth === 0) return;
    }
  }

  /** Enters an object or array and stands at its first value; false when it is empty and already left. */
  #open(byte: number, depth: number): boolean {
    this.at += 1;
    this.skipSpace();
    if (this.next() === byte + 2) {
      this.at += 1;
      return false;
    }
    if (depth >= this.#nesting.length) this.#deeper();
    this.#nesting[depth] = byte;
    if (byte === openBrace) this.#skipKey();
    return true;
  }

  #deeper(): void {
    const larger = new Uint8Array(this.#nesting.length * 2);
    larger.set(this.#nesting);
    this.#nesting = larger;
  }

  /** After a value inside `depth` containers: closes what closes, and stands at the next value, or returns 0. */
  #afterValue(depth: number): number {
    let open = depth;
    while (open > 0) {
      this.skipSpace();
      const container = this.#nesting[open - 1];
      const byte = this.next();
      this.at += 1;
      if (byte === comma) {
        this.skipSpace();
        if (container === openBrace) this.#skipKey();
        return open;
      }
      if (byte !== (container === openBrace ? closeBrace : closeBracket)) {
        throw new JsonError(this.at - 1, `expected , or ${container === openBrace ? '}' : ']'}`);
      }
      open -= 1;
    }
    return 0;
  }

  #scalar(byte: number | undefined): void {
    if (byte === quote) {
      this.#string();
    } else if (isDigit(byte) || byte === 0x2d) {
      this.#number();
    } else if (byte === 0x74) {
      this.#literal('true');
    } else if (byte === 0x66) {
      this.#literal('false');
    } else if (byte === 0x6e) {
      this.#literal('null');
    } else {
      throw new JsonError(this.at, byte === undefined ? 'the body ends inside a value' : 'expected a value');
    }
  }

  #literal(text: string): void {
    for (let i = 0; i < text.length; i += 1) {
      if (this.#bytes[this.at + i] !== text.charCodeAt(i)) throw new JsonError(this.at + i, `expected ${text}`);
    }
    this.at += text.length;
  }

  #number(): void {
    if (this.next() === 0x2d) this.at += 1;
    if (this.next() === 0x30) this.at += 1;
    else this.#digits();
    if (this.next() === 0x2e) {
      this.at += 1;
      this.#digits();
    }
    if (((this.next() ?? 0) | 32) === 0x65) {
      this.at += 1;
      if (this.next() === 0x2b || this.next() === 0x2d) this.at += 1;
      this.#digits();
    }
  }

  #digits(): void {
    if (!isDigit(this.next())) throw new JsonError(this.at, 'expected a digit');
    while (isDigit(this.next())) this.at += 1;
  }

  /** Skips a string, standing at its opening quote; true when it holds an escape. */
  #string(): boolean {
    const bytes = this.#bytes;
    let at = this.at + 1;
    let escaped = false;
    for (;;) {
      at = this.#endOfRun(at);
      const byte = bytes[at];
      if (byte === quote) break;
      if (byte !== backslash) {
        throw new JsonError(at, byte === undefined ? 'the body ends inside a string' : 'control character in a string');
      }
      escaped = true;
      at = this.#escape(at);
    }
    this.at = at + 1;
    return escaped;
  }

  /** Offset of the first byte from `at` on that is not plain string content. */
  #endOfRun(from: number): number {
    const bytes = this.#bytes;
    const near = Math.min(from + shortRun, bytes.length);
    let at = from;
    while (at < near && endsRun[bytes[at] as number] === 0) at += 1;
    if (at < near) return at;
    at = this.#endOfLongRun(at);
    while (at < bytes.length && endsRun[bytes[at] as number] === 0) at += 1;
    return at;
  }

  /**
   * Skips plain content four bytes at a time. A byte below 0x20, and a quote or backslash turned to zero by XOR, borrows into
   * its top bit; a borrow may also reach the byte above, which only means that these four are looked at one by one.
   */
  #endOfLongRun(from: number): number {
    const { byteOffset, buffer, length } = this.#bytes;
    const first = (4 - ((byteOffset + from) & 3)) & 3;
    if (length - from < 16) return from;
    for (let i = 0; i < first; i += 1) if (endsRun[this.#bytes[from + i] as number] === 1) return from + i;
    const begin = from + first;
    const words = new Int32Array(buffer, byteOffset + begin, (length - begin) >> 2);
    const near = Math.min(words.length, longRun >> 2);
    let at = 0;
    while (at < near && !hasEnd(words[at] as number)) at += 1;
    return begin + 4 * (at < longRun >> 2 ? at : this.#passControl(words, at, begin));
  }

  /**
   * In a run that is long already the next quote and backslash are found by the fastest means there are, and only control
   * characters are left to look for: an image inside a prompt is a single such run. Returns the word where to look closer.
   */
  #passControl(words: Int32Array, from: number, begin: number): number {
    const place = begin + from * 4;
    if (this.#backslash < place) this.#backslash = this.#find(backslash, place);
    const end = (Math.min(this.#find(quote, place), this.#backslash) - begin - 12) >> 2;
    let at = from;
    while (at < end && !hasControl(words, at)) at += 4;
    return at;
  }

  /** Where the byte is next; the end when it is nowhere. */
  #find(byte: number, from: number): number {
    const found = this.#bytes.indexOf(byte, from);
    return found < 0 ? this.#bytes.length : found;
  }

  /** Offset after the escape that starts at `at`. */
  #escape(at: number): number {
    const bytes = this.#bytes;
    const letter = bytes[at + 1] ?? 0;
    if (shortEscapes[letter] === 1) return at + 2;
    if (letter !== 0x75) throw new JsonError(at + 1, 'this character may not follow a backslash');
    for (let i = 2; i < 6; i += 1) {
      if (!isHex(bytes[at + i])) throw new JsonError(at + i, 'expected four hex digits after \\u');
    }
    return at + 6;
  }
}

/** One header line as it was read. */
export interface Field {
  readonly name: string;
  /** The name in lower case. */
  readonly lower: string;
  /** Without the white space around it. */
  readonly value: string;
  /** The line as it is passed on, with its line end. */
  readonly line: string;
  /** The line as it was read, with its line end. */
  readonly raw: string;
  /** The number of a Content-Length line; undefined for any other, and where two parsers might read it differently. */
  readonly length: number | undefined;
}

/** No white space before the colon, no control characters: what two parsers might read differently is no header line. */
const pattern = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)\r\n$/;

/** Lines that are never the same twice would only push the others out. */
const varies = new Set(['x-request-id', 'traceparent', 'tracestate']);
const mostYoung = 512;
const longestKnown = 128;

/**
 * Reads header lines, and remembers those read lately: a client or an engine says nearly the same ones with every message.
 * Bounded: two generations of 512 lines of at most 128 bytes, of which the older one goes when the younger is full.
 */
export class FieldLines {
  #young = new Map<string, Field>();
  #old = new Map<string, Field>();
  /** The fields of the block before: the next one most likely has the same in the same places. */
  #before: readonly Field[] = [];

  /**
   * Reads a block of lines, each with its line end, that begins at `from`.
   *
   * @returns the fields, or the number of the first line that is not legal, counted from 1
   */
  readBlock(text: string, from: number): readonly Field[] | number {
    const fields: Field[] = [];
    for (let at = from; at < text.length; ) {
      const field = this.#asBefore(fields.length, text, at) ?? this.#next(text, at);
      if (!field) return fields.length + 1;
      fields.push(field);
      at += field.raw.length;
    }
    this.#before = fields;
    return fields;
  }

  /** One line without its line end; undefined when it is not legal. */
  read(line: string): Field | undefined {
    return this.#read(`${line}\r\n`);
  }

  #asBefore(place: number, text: string, at: number): Field | undefined {
    const before = this.#before[place];
    return before !== undefined && text.startsWith(before.raw, at) ? before : undefined;
  }

  #next(text: string, at: number): Field | undefined {
    const end = text.indexOf('\r\n', at);
    return end < 0 ? undefined : this.#read(text.slice(at, end + 2));
  }

  #read(line: string): Field | undefined {
    return this.#young.get(line) ?? this.#older(line) ?? this.#readNew(line);
  }

  #older(line: string): Field | undefined {
    const field = this.#old.get(line);
    if (field) this.#remember(field);
    return field;
  }

  #remember(field: Field): void {
    if (this.#young.size >= mostYoung) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(field.raw, field);
  }

  #readNew(line: string): Field | undefined {
    // A part of a longer text would keep all of that alive.
    const raw = Buffer.from(line, 'latin1').toString('latin1');
    const match = pattern.exec(raw);
    if (!match) return undefined;
    const [, name = '', padded = ''] = match;
    const lower = name.toLowerCase();
    const value = trimmed(padded);
    const length = lower === 'content-length' ? lengthIn(raw) : undefined;
    const field = { name, lower, value, line: `${name}: ${value}\r\n`, raw, length };
    if (raw.length <= longestKnown && !varies.has(lower)) this.#remember(field);
    return field;
  }
}

/** Without spaces and tabs at both ends. A pattern would need time by the square of a long run of them. */
function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

/** Digits with spaces around them and nothing else: not even a tab, which parsers do not agree upon after them. */
const lengthLine = /^content-length: *(\d{1,15}) *(?:\r\n)?$/i;

/** The number in a Content-Length line; undefined when two parsers might read it differently. */
export function lengthIn(line: string): number | undefined {
  const digits = lengthLine.exec(line)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Members of a comma-separated list, in lower case. */
export const listed = (value: string): readonly string[] => value.split(',').map((word) => word.trim().toLowerCase());

/** One header line as it was read. */
export interface Field {
  readonly name: string;
  /** The name in lower case. */
  readonly lower: string;
  /** Without the white space around it. */
  readonly value: string;
  /** The line as it is passed on, with its line end. */
  readonly line: string;
  /** The number of a Content-Length line; undefined for any other, and where two parsers might read it differently. */
  readonly length: number | undefined;
}

/** No white space before the colon, no control characters: what two parsers might read differently is no header line. */
const pattern = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)$/;

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

  /** Undefined when the line, without its line end, is not legal. */
  read(line: string): Field | undefined {
    return this.#young.get(line) ?? this.#older(line) ?? this.#readNew(line);
  }

  #older(line: string): Field | undefined {
    const field = this.#old.get(line);
    if (field) this.#remember(line, field);
    return field;
  }

  #remember(line: string, field: Field): void {
    if (this.#young.size >= mostYoung) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    // A part of a longer text would keep all of that alive.
    this.#young.set(Buffer.from(line, 'latin1').toString('latin1'), field);
  }

  #readNew(line: string): Field | undefined {
    const match = pattern.exec(line);
    if (!match) return undefined;
    const [, name = '', padded = ''] = match;
    const value = trimmed(padded);
    const lower = name.toLowerCase();
    const length = lower === 'content-length' ? lengthIn(line) : undefined;
    const field = { name, lower, value, line: `${name}: ${value}\r\n`, length };
    if (line.length <= longestKnown && !varies.has(field.lower)) this.#remember(line, field);
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
const lengthLine = /^content-length: *(\d{1,15}) *$/i;

function lengthIn(line: string): number | undefined {
  const digits = lengthLine.exec(line)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Members of a comma-separated list, in lower case. */
export const listed = (value: string): readonly string[] => value.split(',').map((word) => word.trim().toLowerCase());

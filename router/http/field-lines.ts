/** One header line as it was read. */
export interface Field {
  readonly name: string;
  /** The name in lower case. */
  readonly lower: string;
  /** Without the white space around it. */
  readonly value: string;
  /** The line as it is passed on, with its line end. */
  readonly line: string;
}

/** No white space before the colon, no control characters: what two parsers might read differently is no header line. */
const pattern = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)$/;

/** Lines that differ from message to message would only push the others out. */
const varies = new Set(['content-length', 'date', 'x-request-id', 'traceparent', 'tracestate', 'server-timing']);
const mostKnown = 512;
const longestKnown = 128;

/**
 * Reads header lines, and remembers those read lately: a client or an engine says nearly the same ones with every message.
 * Bounded: 512 lines of at most 128 bytes.
 */
export class FieldLines {
  readonly #known = new Map<string, Field>();

  /** Undefined when the line, without its line end, is not legal. */
  read(line: string): Field | undefined {
    return this.#known.get(line) ?? this.#readNew(line);
  }

  #readNew(line: string): Field | undefined {
    const match = pattern.exec(line);
    if (!match) return undefined;
    const [, name = '', padded = ''] = match;
    const value = trimmed(padded);
    const field = { name, lower: name.toLowerCase(), value, line: `${name}: ${value}\r\n` };
    if (line.length > longestKnown || varies.has(field.lower)) return field;
    if (this.#known.size >= mostKnown) this.#known.clear();
    // A part of a longer text would keep all of that alive.
    this.#known.set(Buffer.from(line, 'latin1').toString('latin1'), field);
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

/** The number in a Content-Length line; undefined when two parsers might read it differently. */
export function lengthIn(line: string): number | undefined {
  const digits = lengthLine.exec(line)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Members of a comma-separated list, in lower case. */
export const listed = (value: string): readonly string[] => value.split(',').map((word) => word.trim().toLowerCase());

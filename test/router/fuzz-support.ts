/** What the fuzz tests of both parsers share: a connection in memory, changes to bytes, and where they are cut. */
import { Duplex } from 'node:stream';
import fc from 'fast-check';

/** The other end of a connection, as a stream in memory: the bytes come in exactly these pieces. */
export class Wire extends Duplex {
  override _read(): void {
    // bytes are pushed by the test
  }
  override _write(_bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    done();
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

const byte = fc.constantFrom(
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '\0',
  '\x0b',
  '\x7f',
  '\xff',
  '0',
  '1',
  'f',
  'g',
  '-',
  '+',
  '"',
  'a',
);
const mutation = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('insert', 'replace', 'delete', 'double'),
  with: byte,
});

/** Changes to a message; often none. */
export const mutations = fc.oneof(
  { weight: 2, arbitrary: fc.constant([]) },
  fc.array(mutation, { minLength: 1, maxLength: 3 }),
);

/** Sizes of the pieces in which a message comes, over and over. */
export const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 });

export interface Mutation {
  readonly at: number;
  readonly kind: string;
  readonly with: string;
}

export function mutated(text: string, changes: readonly Mutation[]): string {
  let now = text;
  for (const { at, kind, with: bytes } of changes) {
    const from = at % (now.length + 1);
    const line = now.slice(from, now.indexOf('\n', from) + 1);
    if (kind === 'insert') now = now.slice(0, from) + bytes + now.slice(from);
    else if (kind === 'replace') now = now.slice(0, from) + bytes + now.slice(from + 1);
    else if (kind === 'delete') now = now.slice(0, from) + now.slice(from + 1);
    else now = now.slice(0, from) + line + now.slice(from);
  }
  return now;
}

export function cut(text: string, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < text.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    pieces.push(Buffer.from(text.slice(at, at + size), 'latin1'));
    at += size;
  }
  return pieces;
}

/**
 * How a fuzz test runs. One seed, so that a red run means a changed program; TANDEM_FUZZ_SEED names another and
 * TANDEM_FUZZ_RUNS a number of cases, to look further.
 */
export function fuzzing(ownSeed: number, ownRuns: number) {
  const { TANDEM_FUZZ_SEED: seed, TANDEM_FUZZ_RUNS: runs } = process.env;
  return {
    seed: Number(seed ?? ownSeed),
    numRuns: Number(runs ?? ownRuns),
    // On a slow machine the suite says less rather than takes forever; who asks for a number gets it.
    ...(runs === undefined && { interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false }),
  };
}

/** Header lines that anybody sends. */
export const usualHeaders = [
  'X-A:',
  'X-A: a b\tc',
  'x-long:   spaces   ',
  'X-High: \xe9\xff',
  'Connection: close',
  'Connection: keep-alive, X-A',
] as const;

/** Often none. */
export const usualTrailers = [
  '',
  '',
  '',
  'X-Sum: 1\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'x\r\n',
  'A : b\r\n',
  'A: b\n',
] as const;

export const usualExtensions = ['', '', '', ';a=b', ';a="b c"', ' ', ';', ';a=\x7f', ';\xff', '; x', '\t'] as const;

/** One byte a character. */
export const body = fc.string({ maxLength: 40 }).map((text) => Buffer.from(text).toString('latin1'));

/** A body of counted length: its header line, and what is on the wire. */
export const counted = body.map((text) => ({ header: `Content-Length: ${text.length}\r\n`, wire: text }));

/** A body in chunks, with such extensions and trailers. */
export const chunked = (extension: fc.Arbitrary<string>, trailers: fc.Arbitrary<string>) =>
  fc.tuple(fc.array(fc.tuple(body, extension), { maxLength: 4 }), extension, trailers).map(([chunks, last, end]) => ({
    header: 'Transfer-Encoding: chunked\r\n',
    wire: `${chunks
      .filter(([text]) => text !== '')
      .map(([text, extension]) => `${text.length.toString(16)}${extension}\r\n${text}\r\n`)
      .join('')}0${last}\r\n${end}\r\n`,
  }));

/** The engine's side of the wire, against Node's own parser: what that refuses is refused, the rest is read the same. */
import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import t from 'tap';
import { EngineConnection } from '../../router/engine/connection.js';
import type { ResponseHead } from '../../router/engine/response-head.js';

/** What one parser made of the bytes; undefined when it refused them, or did not see their end. */
interface Read {
  readonly status: number;
  /** Names in lower case and values, joined, without those that belong to the connection. */
  readonly headers: string;
  readonly body: string;
}

const ofConnection =
  /^(connection|keep-alive|proxy-authenticate|proxy-connection|te|trailer|transfer-encoding|upgrade|x-request-id|content-length)$/;

/** The other end of a connection, as a stream in memory: the bytes come in exactly these pieces. */
class Wire extends Duplex {
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

function byNode(pieces: readonly Buffer[]): Promise<Read | undefined> {
  return new Promise((resolve) => {
    const wire = new Wire();
    const request = httpRequest({ method: 'POST', createConnection: () => wire as unknown as Socket });
    request.on('error', () => resolve(undefined));
    let answered = false;
    request.on('close', () => {
      if (!answered) resolve(undefined);
    });
    request.on('upgrade', () => resolve(undefined));
    request.on('response', (response) => {
      answered = true;
      response.on('close', () => resolve(undefined));
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => void parts.push(part));
      response.on('error', () => resolve(undefined));
      response.on('end', () => {
        const { statusCode: status = 0, rawHeaders } = response;
        resolve(
          response.complete
            ? { status, headers: known(rawHeaders, response.headers.connection), body: latin1(parts) }
            : undefined,
        );
      });
    });
    request.end();
    for (const piece of pieces) wire.push(piece);
    wire.push(null);
  });
}

function byUs(pieces: readonly Buffer[]): Promise<Read | undefined> {
  return new Promise((resolve) => {
    const wire = new Wire();
    const parts: Buffer[] = [];
    let head: ResponseHead | undefined;
    let ended: Read | undefined;
    let isOver = false;
    const owner = { onFree: () => undefined, onClosed: () => undefined };
    const connection = new EngineConnection(wire as unknown as Socket, owner);
    connection.send(
      { head: '', body: [], deadlines: { connect: 0, head: 0, idle: 0 } },
      {
        onHead: (seen) => {
          head = seen;
        },
        onBody: (bytes, from, to) => void parts.push(Buffer.from(bytes.subarray(from, to))),
        onEnd: () => {
          ended = head && { status: head.status, headers: known(pairsOf(head.headers)), body: latin1(parts) };
          if (isOver) resolve(ended); // the close was the end
        },
        onFailure: () => resolve(undefined),
      },
      () => undefined,
    );
    for (const piece of pieces) {
      // What comes after a whole answer is never taken for one: the connection ends.
      if (ended !== undefined) resolve(undefined);
      if (!wire.destroyed) connection.receive(piece);
    }
    if (ended !== undefined) resolve(ended);
    isOver = true;
    wire.destroy();
  });
}

const pairsOf = (block: string): string[] =>
  block
    .split('\r\n')
    .slice(0, -1)
    .flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);

const latin1 = (parts: readonly Buffer[]): string => Buffer.concat(parts).toString('latin1');

function known(raw: readonly string[], connection = ''): string {
  const named = new Set(
    connection
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
  const lines: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    if (!ofConnection.test(name) && !named.has(name)) lines.push(`${name}: ${raw[i + 1]?.trim()}`);
  }
  return lines.join('\n');
}

const body = fc.string({ maxLength: 40 }).map((text) => Buffer.from(text).toString('latin1'));
const statusLine = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 503 Busy', 'HTTP/1.0 200 OK', 'HTTP/1.1 200 ') },
  fc.constantFrom(
    'HTTP/1.1 204 None',
    'HTTP/1.1 304 Same',
    'HTTP/1.1 200',
    'HTTP/2.0 200 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 20 OK',
  ),
);
const plainHeader = fc.constantFrom(
  'Content-Type: text/event-stream; charset=utf-8',
  'content-type: application/json',
  'X-A:',
  'X-A: a b\tc',
  'x-long:   spaces   ',
  'X-High: \xe9\xff',
  'Connection: close',
  'Connection: keep-alive, X-A',
  'Server: uvicorn',
);
const oddHeader = fc.constantFrom(
  'Content-Length: 3',
  'Content-Length: 03',
  'Content-Length: +3',
  'Content-Length: 3, 3',
  'Content-Length: ',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip',
  'Transfer-Encoding: gzip, chunked',
  'transfer-encoding: identity',
  'X-A : b',
  ' folded',
  'X-A\x01: b',
  'Upgrade: h2c',
);
const headers = fc.array(fc.oneof({ weight: 12, arbitrary: plainHeader }, oddHeader), { maxLength: 4 });
const extension = fc.constantFrom(
  '',
  '',
  '',
  ';a=b',
  ';a="b c"',
  ' ',
  ';',
  ';a=\x7f',
  ';\xff',
  '; x',
  '\t',
  ';a b',
  ';a="\x01"',
);
const trailers = fc.constantFrom(
  '',
  '',
  '',
  'X-Sum: 1\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'x\r\n',
  ': a\r\n',
  'A : b\r\n',
  'A: b\n',
  'A: \0\r\n',
);

const framed = fc.oneof(
  body.map((text) => ({ header: `Content-Length: ${text.length}\r\n`, wire: text })),
  body.map((text) => ({ header: '', wire: text })),
  fc.tuple(fc.array(fc.tuple(body, extension), { maxLength: 4 }), extension, trailers).map(([chunks, last, end]) => ({
    header: 'Transfer-Encoding: chunked\r\n',
    wire: `${chunks
      .filter(([text]) => text !== '')
      .map(([text, extension]) => `${text.length.toString(16)}${extension}\r\n${text}\r\n`)
      .join('')}0${last}\r\n${end}\r\n`,
  })),
);
const interim = fc.constantFrom(
  '',
  '',
  '',
  '',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early\r\nLink: a\r\n\r\n',
);
const legalLooking = fc
  .tuple(interim, statusLine, headers, framed)
  .map(
    ([before, status, lines, { header, wire }]) =>
      `${before}${status}\r\n${lines.map((line) => `${line}\r\n`).join('')}${header}\r\n${wire}`,
  );

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
const mutations = fc.oneof(
  { weight: 2, arbitrary: fc.constant([]) },
  fc.array(mutation, { minLength: 1, maxLength: 3 }),
);
const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 });

interface Mutation {
  readonly at: number;
  readonly kind: string;
  readonly with: string;
}

function mutated(text: string, changes: readonly Mutation[]): string {
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

function cut(text: string, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < text.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    pieces.push(Buffer.from(text.slice(at, at + size), 'latin1'));
    at += size;
  }
  return pieces;
}

/** One seed, so that a red run means a changed program; TANDEM_FUZZ_SEED names another, to look further. */
const seed = Number(process.env['TANDEM_FUZZ_SEED'] ?? 14_910_576);

t.test('a response is read as Node reads it, or refused', async (t) => {
  let read = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(legalLooking, mutations, cuts, async (text, changes, sizes) => {
      const pieces = cut(mutated(text, changes), sizes);
      const [node, us] = await Promise.all([byNode(pieces), byUs(pieces)]);
      if (us) read += 1;
      else refused += 1;
      if (us && !node) throw new Error(`Node refuses what is read here as ${JSON.stringify(us)}`);
      if (us && JSON.stringify(us) !== JSON.stringify(node)) {
        throw new Error(`Node reads ${JSON.stringify(node)}; here it is ${JSON.stringify(us)}`);
      }
    }),
    { seed, numRuns: 10_000, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
  );
  t.ok(read > 500 && refused > 500, `${read} read alike, ${refused} refused`);
});

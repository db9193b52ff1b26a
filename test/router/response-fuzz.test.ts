/** The engine's side of the wire, against Node's own parser: what that refuses is refused, the rest is read the same. */
import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { EngineConnection } from '../../router/engine/connection.js';
import type { ResponseHead } from '../../router/engine/response-head.js';
import {
  body,
  chunked,
  counted,
  cut,
  cuts,
  fuzzing,
  mutated,
  mutations,
  usualExtensions,
  usualHeaders,
  usualTrailers,
  Wire,
} from './fuzz-support.js';

/** What one parser made of the bytes; undefined when it refused them, or did not see their end. */
interface Read {
  readonly status: number;
  /** Names in lower case and values, joined, without those that belong to the connection. */
  readonly headers: string;
  readonly body: string;
}

const ofConnection =
  /^(connection|keep-alive|proxy-authenticate|proxy-connection|te|trailer|transfer-encoding|upgrade|x-request-id|content-length)$/;

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
      { writeTo: () => undefined, deadlines: { connect: 0, head: 0, idle: 0 } },
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
  ...usualHeaders,
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
const extension = fc.constantFrom(...usualExtensions, ';a b', ';a="\x01"');
const trailers = fc.constantFrom(...usualTrailers, ': a\r\n', 'A: \0\r\n');

const framed = fc.oneof(
  counted,
  body.map((text) => ({ header: '', wire: text })),
  chunked(extension, trailers),
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

const run = fuzzing(14_910_576, 10_000);

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
    run,
  );
  t.ok(read > run.numRuns / 20 && refused > run.numRuns / 20, `${read} read alike, ${refused} refused`);
  t.comment(`seed ${run.seed}: ${read} read alike, ${refused} refused`);
});

/** The client's side of the wire, against Node's own server: what that refuses is refused, the rest is read the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import type { Carrier, ClientRequest } from '../../router/client/carrier.js';
import { H1Connection } from '../../router/client/h1-connection.js';
import { TandemError } from '../../src/base/errors.js';
import {
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

/** What one parser made of one request; the body is undefined when its end was not seen. */
interface Read {
  readonly method: string;
  readonly target: string;
  readonly headers: string;
  readonly keepAlive: boolean;
  body: string | undefined;
}

/** All that one parser took from the bytes, and why it took no more. */
interface Session {
  readonly requests: Read[];
  refusal: string | undefined;
  /** Counts what happens, to see when nothing does any more. */
  events: number;
}

/** What is refused here and not by Node: what is said to the client, what the bytes must show for it, and why. */
interface Stricter {
  readonly says: RegExp;
  readonly shows: RegExp;
  readonly why: string;
}

const stricter: readonly Stricter[] = [
  { says: /more than one Host/, shows: /\nhost:[\s\S]*\nhost:/i, why: 'two Host lines (RFC 9112 3.2)' },
  {
    says: /the Host header is missing/,
    shows: / HTTP\/1\.1\r\n/,
    why: 'Node answers 400 when Host is missing, and reads on; here the connection ends',
  },
  {
    says: /HTTP\/(0\.9|2\.0) is not spoken/,
    shows: / HTTP\/(0\.9|2\.0)\r\n|[A-Z-]+ \S+\r?$/m,
    why: 'HTTP/0.9, also without saying so, and HTTP/2.0 in the syntax of 1.1',
  },
  { says: /a byte may not stand in a head/, shows: /[A-Z-]+ \S+\n/, why: 'HTTP/0.9 that ends with a line feed alone' },
  {
    says: /start with a request line/,
    shows: /[A-Z-]+ {2,}\S|\S {2,}HTTP\/| (ICE|RTSP)\/\d/,
    why: 'spaces in the request line other than two, or a protocol that is not HTTP',
  },
  {
    says: /start with a (method|request line)/,
    shows: /(^|[^\r])\n|\r[^\n]|content-length: *\d+\r/i, // which may end a body between the halves of a line end
    why: 'a line end before the request that is half of one',
  },
  { says: /target .* is not a path/, shows: / [^/ ]\S* HTTP/, why: 'a target that is neither a path nor of http' },
  {
    says: /^expectation .* is not supported/,
    shows: /\nexpect:/i,
    why: 'an expectation beside or other than 100-continue',
  },
  {
    says: /^transfer-encoding .* is not (legal|supported)/,
    shows: /\ntransfer-encoding:/i,
    why: 'a transfer coding other than one chunked, or in HTTP/1.0 (RFC 9112 6.1)',
  },
  {
    says: /a chunk size is not legal/,
    shows: /\n[\da-f]+;/i,
    why: 'a chunk extension beside its grammar (RFC 9112 7.1.1)',
  },
  {
    says: /content-length beside transfer-encoding/,
    shows: /\ntransfer-encoding:/i,
    why: 'a length beside an empty Transfer-Encoding',
  },
  {
    says: /content-length is not one number/,
    shows: /\ncontent-length:[ \t]*(\t|\d+\t|\d{16})/i,
    why: 'a tab or more than 15 digits in Content-Length',
  },
];

const headerBytes = 32 * 1024;
const sessions = new WeakMap<object, Session>();
const server = createServer({ maxHeaderSize: headerBytes, requestTimeout: 0, keepAliveTimeout: 0 });
server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
  const session = sessions.get(socket);
  if (session) session.refusal ??= error.code ?? error.message;
});
for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, readByNode);
server.on('connect', (_request, socket: Socket) => void socket.destroy());

function readByNode(request: IncomingMessage, response: ServerResponse): void {
  const session = sessions.get(request.socket);
  if (!session) return;
  const read: Read = {
    method: request.method ?? '',
    target: request.url ?? '',
    headers: joined(request.rawHeaders),
    keepAlive: response.shouldKeepAlive,
    body: undefined,
  };
  session.requests.push(read);
  session.events += 1;
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => void parts.push(part));
  request.on('error', () => undefined);
  request.on('end', () => {
    session.events += 1;
    read.body = latin1(parts);
    response.end();
  });
}

async function byNode(pieces: readonly Buffer[]): Promise<Session> {
  const session: Session = { requests: [], refusal: undefined, events: 0 };
  const wire = new Wire();
  wire.on('error', () => undefined);
  sessions.set(wire, session);
  server.emit('connection', wire as unknown as Socket);
  return send(wire, pieces, session);
}

async function byUs(pieces: readonly Buffer[]): Promise<Session> {
  const session: Session = { requests: [], refusal: undefined, events: 0 };
  const wire = new Wire();
  const limits = { headerBytes, headMs: 0, requestMs: 0, keepAliveMs: 0, slowClientMs: 0 };
  const connection = new H1Connection(wire as unknown as Socket, {
    limits,
    isStopping: false,
    onRequest: (request, carrier) => void readHere(request, carrier, session),
    onRefused: ({ message }) => {
      session.refusal ??= message;
    },
    onClosed: () => undefined,
  });
  wire.on('data', (bytes: Buffer) => {
    // As from a socket, whose next read goes into the same memory.
    const lent = Buffer.from(bytes);
    connection.receive(lent);
    lent.fill(0);
  });
  return send(wire, pieces, session);
}

async function readHere(request: ClientRequest, carrier: Carrier, session: Session): Promise<void> {
  const { method, target, fields, keepAlive } = request.head;
  const read: Read = {
    method,
    target,
    headers: joined(fields.flatMap(({ name, value }) => [name, value])),
    keepAlive,
    body: undefined,
  };
  session.requests.push(read);
  session.events += 1;
  try {
    read.body = (await request.readBody(() => undefined)).toString('latin1');
    session.events += 1;
    carrier.sendWhole(200, '', Buffer.alloc(0));
  } catch (error) {
    if (error instanceof TandemError) session.refusal ??= error.message;
    carrier.cut();
  }
}

/** Sends the pieces, waits until nothing more comes of them, and ends the connection. */
async function send(wire: Wire, pieces: readonly Buffer[], session: Session): Promise<Session> {
  for (const piece of pieces) if (!wire.destroyed && !wire.readableEnded) wire.push(piece);
  for (let seen = -1; seen !== session.events; ) {
    seen = session.events;
    for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  if (!wire.destroyed) wire.push(null);
  await new Promise((resolve) => setImmediate(resolve));
  wire.destroy();
  return session;
}

const latin1 = (parts: readonly Buffer[]): string => Buffer.concat(parts).toString('latin1');

function joined(raw: readonly string[]): string {
  const lines: string[] = [];
  for (let i = 0; i < raw.length; i += 2) lines.push(`${raw[i]}: ${raw[i + 1]}`);
  return lines.join('\n');
}

/** An absolute target is served as its path. */
const pathOf = (target: string): string => target.replace(/^https?:\/\/[^/?#]+/i, '').replace(/^(?!\/|\*$)/, '/');

/** Says what is wrong with `us` beside `node`; undefined when nothing is. */
function faultOf(text: string, node: Session, us: Session): string | undefined {
  for (const [i, read] of us.requests.entries()) {
    const other = node.requests[i];
    if (i > 0 && losesWhatFollows(node.requests[i - 1])) return undefined;
    if (!other) return `Node refuses (${node.refusal}) what is read here as ${JSON.stringify(read)}`;
    const { body: ours, ...head } = read;
    const { body: theirs, ...otherHead } = other;
    otherHead.target = pathOf(otherHead.target);
    if (!read.keepAlive && closesHere(text, read)) otherHead.keepAlive = false;
    if (JSON.stringify(head) !== JSON.stringify(otherHead)) {
      return `Node reads ${JSON.stringify(otherHead)}; here it is ${JSON.stringify(head)}`;
    }
    if (ours !== undefined && ours !== theirs) {
      return `Node reads the body ${JSON.stringify(theirs)} (${node.refusal}); here it is ${JSON.stringify(ours)}`;
    }
  }
  const last = us.requests.at(-1);
  return isLess(us, node) && !(last && closesHere(text, last)) ? unexplained(text, us) : undefined;
}

/** Node reads the body of a request that asks for another protocol, and then drops what else came in the same piece. */
const losesWhatFollows = (request: Read | undefined): boolean =>
  request !== undefined && /^upgrade:/im.test(request.headers) && /^connection:.*upgrade/im.test(request.headers);

/**
 * `close` wins here, and nothing is read after it; to Node `keep-alive` beside it wins in HTTP/1.0. A tab beside either word
 * hides it from some versions of Node; here it hides `keep-alive`.
 */
const closesHere = (text: string, { headers }: Read): boolean =>
  /keep-alive\t|\tkeep-alive/i.test(text) ||
  (/connection:.*close/i.test(headers) && (/connection:.*keep-alive/i.test(headers) || /close\t|\tclose/i.test(text)));

const isLess = (us: Session, node: Session): boolean => whole(us) < whole(node);
const whole = ({ requests }: Session): number => requests.filter(({ body }) => body !== undefined).length;

const reasons = new Map<string, number>();

function unexplained(text: string, { refusal = 'nothing is said' }: Session): string | undefined {
  const why = stricter.find(({ says, shows }) => says.test(refusal) && shows.test(text))?.why;
  if (why === undefined) return `Node takes what is refused here: ${refusal}`;
  reasons.set(why, (reasons.get(why) ?? 0) + 1);
  return undefined;
}

const folder = new URL('../../../test/fixtures/smuggling/', import.meta.url);
const fixtures = readdirSync(folder)
  .filter((name) => name.endsWith('.http'))
  .map((name) => readFileSync(new URL(name, folder), 'latin1'))
  .filter((text) => text.length < 4000);
const fixtureLines = [
  ...new Set(
    fixtures.flatMap((text) => (text.split('\r\n\r\n')[0] ?? '').split('\r\n').slice(1)).filter((line) => line !== ''),
  ),
];

const requestLine = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom('POST /v1/chat/completions HTTP/1.1', 'GET /v1/models?a=b HTTP/1.1', 'PUT /a HTTP/1.0'),
  },
  fc.constantFrom(
    'HEAD / HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'POST http://a/b?c HTTP/1.1',
    'POST HTTP://a?c HTTP/1.1',
    'CONNECT a:1 HTTP/1.1',
    'M-SEARCH /a HTTP/1.1',
    'PRI * HTTP/2.0',
    'GET /a',
    'GET  /a HTTP/1.1',
    'GET /a#b HTTP/1.1',
    'GET a HTTP/1.1',
    'SOURCE /a ICE/1.0',
    'QUERY /a HTTP/1.1',
    'DESCRIBE rtsp://a/b RTSP/1.0',
  ),
);
const host = fc.oneof({ weight: 8, arbitrary: fc.constant(['Host: router']) }, fc.constantFrom([], ['Host:']));
const plainHeader = fc.constantFrom(
  'Content-Type: application/json',
  ...usualHeaders,
  'Proxy-Connection: close',
  'Connection: upgrade',
  'User-Agent: curl/8',
  'Expect: 100-continue',
);
const oddHeader = fc.oneof(
  fc.constantFrom(...fixtureLines),
  fc.constantFrom(
    'Content-Length: 0',
    'Content-Length: 03',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: gzip',
    'Upgrade: h2c',
    'Connection: close, keep-alive',
    'Connection:',
    'Connection: closed',
    'Connection: ,close ,',
    'Expect: a, 100-continue',
  ),
);
const headers = fc.array(fc.oneof({ weight: 12, arbitrary: plainHeader }, oddHeader), { maxLength: 4 });
const extension = fc.constantFrom('', ...usualExtensions);
const trailers = fc.constantFrom('', ...usualTrailers);
const framed = fc.oneof(fc.constant({ header: '', wire: '' }), counted, chunked(extension, trailers));
const oneRequest = fc
  .tuple(requestLine, host, headers, framed)
  .map(
    ([line, host, lines, { header, wire }]) =>
      `${line}\r\n${[...host, ...lines].map((line) => `${line}\r\n`).join('')}${header}\r\n${wire}`,
  );
const conversation = fc.oneof(
  { weight: 4, arbitrary: oneRequest },
  {
    weight: 4,
    arbitrary: fc.array(oneRequest, { minLength: 2, maxLength: 3 }).map((requests) => requests.join('')),
  },
  { weight: 1, arbitrary: fc.constantFrom(...fixtures) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...fixtures), oneRequest).map(([fixture, request]) => request + fixture),
  },
);

const run = fuzzing(77_120_466, 10_000);
/** Found by a run of a million: a tab beside the word hides it from Node's parser. */
const tabBesideKeepAlive =
  'PUT /a HTTP/1.0\r\nHost: router\r\nConnection: keep-alive\t, X-A\r\nContent-Length: 2\r\n\r\n{}GET /b';

t.test('a request is read as Node reads it, or refused', async (t) => {
  let alike = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(conversation, mutations, cuts, async (text, changes, sizes) => {
      const sent = mutated(text, changes);
      const pieces = cut(sent, sizes);
      const [node, us] = await Promise.all([byNode(pieces), byUs(pieces)]);
      if (whole(us) > 0) alike += 1;
      else refused += 1;
      const fault = faultOf(sent, node, us);
      if (fault !== undefined) throw new Error(fault);
    }),
    { ...run, examples: [[tabBesideKeepAlive, [], []]] },
  );
  t.ok(alike > run.numRuns / 20 && refused > run.numRuns / 20, `${alike} read alike, ${refused} refused`);
  t.comment(`seed ${run.seed}: ${alike} read alike, ${refused} refused`);
  for (const [why, count] of reasons) t.comment(`stricter in ${count} cases: ${why}`);
});

import { ProtocolError } from './failure.js';

/** How the end of a body is told. */
export type Framing =
  | { readonly by: 'length'; readonly bytes: number }
  | { readonly by: 'chunks' | 'close' | 'nothing' };

export interface ResponseHead {
  readonly status: number;
  /** Names and values in turn, as the engine wrote them, without those that belong to the connection. */
  readonly headers: readonly string[];
  readonly framing: Framing;
  /** Whether the connection may carry another request afterwards. */
  readonly reusable: boolean;
  /** Media type in lower case, without parameters; empty when not given. */
  readonly contentType: string;
}

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const fieldLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/;
/** Headers that end at the router: they speak of one connection; the request id goes back as the router knows it. */
const endsHere = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);

interface Seen {
  length: string | undefined;
  transferEncoding: string | undefined;
  connection: string;
  contentType: string;
}

/**
 * Reads status line and header block, without its last empty line. Anything that two parsers might read differently is
 * refused: bare line feeds, folded lines, spaces before a colon, two lengths, a length beside chunks.
 *
 * @throws ProtocolError
 */
export function parseHead(text: string): ResponseHead {
  const lines = text.split('\r\n');
  const status = statusLine.exec(lines[0] ?? '');
  if (!status) throw new ProtocolError('the response does not start with an HTTP/1.x status line');
  const [, minor, digits] = status;
  const seen: Seen = { length: undefined, transferEncoding: undefined, connection: '', contentType: '' };
  const headers = readFields(lines, seen);
  const code = Number(digits);
  const framing = framingOf(code, seen);
  return {
    status: code,
    headers: seen.connection === '' ? headers : withoutNamed(headers, seen.connection),
    framing,
    reusable: framing.by !== 'close' && keepsAlive(minor === '1', seen.connection),
    contentType: mediaType(seen.contentType),
  };
}

function readFields(lines: readonly string[], seen: Seen): string[] {
  const headers: string[] = [];
  for (let i = 1; i < lines.length; i += 1) {
    const line = lines[i] ?? '';
    const field = known.get(line) ?? readField(line);
    if (!field) throw new ProtocolError(`header line ${i} is not legal`);
    if (note(seen, field.lower, field.value)) headers.push(field.name, field.value);
  }
  return headers;
}

interface Field {
  readonly name: string;
  readonly lower: string;
  readonly value: string;
}

/** Lines read lately: an engine says nearly the same ones with every answer. */
const known = new Map<string, Field>();
const mostKnown = 256;
const longestKnown = 128;

function readField(line: string): Field | undefined {
  const match = fieldLine.exec(line);
  if (!match) return undefined;
  const [, name = '', value = ''] = match;
  const field = { name, lower: name.toLowerCase(), value };
  if (known.size >= mostKnown) known.clear();
  if (line.length <= longestKnown) known.set(line, field);
  return field;
}

const mediaType = (contentType: string): string => (contentType.split(';')[0] ?? '').trim().toLowerCase();

/** Takes note of a header that matters here; true when it is passed on. */
function note(seen: Seen, name: string, value: string): boolean {
  switch (name) {
    case 'content-length':
      if (seen.length !== undefined) throw new ProtocolError('two content-lengths');
      if (!/^\d{1,15}$/.test(value)) throw new ProtocolError('content-length is not a number');
      seen.length = value;
      return false;
    case 'transfer-encoding':
      if (seen.transferEncoding !== undefined) throw new ProtocolError('two transfer-encodings');
      seen.transferEncoding = value.toLowerCase();
      return false;
    case 'connection':
      seen.connection += `,${value.toLowerCase()}`;
      return false;
    case 'content-type':
      seen.contentType = value;
      return true;
    default:
      return !endsHere.has(name);
  }
}

/** Contradicting lengths are refused also where no body follows: what comes next on the connection is then anybody's guess. */
function framingOf(status: number, seen: Seen): Framing {
  const announced = announcedFraming(seen);
  return status < 200 || status === 204 || status === 304 ? { by: 'nothing' } : announced;
}

function announcedFraming({ length, transferEncoding }: Seen): Framing {
  if (transferEncoding !== undefined) {
    if (transferEncoding !== 'chunked') throw new ProtocolError(`transfer-encoding ${transferEncoding} is not chunked`);
    if (length !== undefined) throw new ProtocolError('content-length beside transfer-encoding');
    return { by: 'chunks' };
  }
  return length === undefined ? { by: 'close' } : { by: 'length', bytes: Number(length) };
}

function keepsAlive(byDefault: boolean, connection: string): boolean {
  if (connection === '') return byDefault;
  const named = connection.split(',').map((token) => token.trim());
  return byDefault ? !named.includes('close') : named.includes('keep-alive');
}

/** A Connection header also names other headers that end here. */
function withoutNamed(headers: readonly string[], connection: string): readonly string[] {
  const named = new Set(connection.split(',').map((token) => token.trim()));
  return headers.filter((_, i) => !named.has((headers[i - (i % 2)] ?? '').toLowerCase()));
}

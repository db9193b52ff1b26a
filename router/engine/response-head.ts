import { type Field, FieldLines, listed } from '../http/field-lines.js';
import { ProtocolError } from '../http/protocol-error.js';

/** How the end of a body is told. */
export type Framing =
  | { readonly by: 'length'; readonly bytes: number }
  | { readonly by: 'chunks' | 'close' | 'nothing' };

export interface ResponseHead {
  readonly status: number;
  /** Header lines, each with its line end, without those that belong to the connection. */
  readonly headers: string;
  /** The engine gave a Date. */
  readonly isDated: boolean;
  readonly framing: Framing;
  /** Whether the connection may carry another request afterwards. */
  readonly reusable: boolean;
  /** Media type in lower case, without parameters; empty when not given. */
  readonly contentType: string;
}

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const usual = 'HTTP/1.1 200 OK\r\n';
const usualStatus = ['', '1', '200'] as const;
/** Headers that end at the router: they speak of one connection; the request id goes back as the router knows it. */
const endsHere = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);
const lines = new FieldLines();

interface Seen {
  length: number | undefined;
  transferEncoding: string | undefined;
  connection: string;
  contentType: string;
  isDated: boolean;
}

/**
 * Reads status line and header lines, each with its line end. Anything that two parsers might read differently is
 * refused: bare line feeds, folded lines, spaces before a colon, two lengths, a length beside chunks.
 *
 * @throws ProtocolError
 */
export function parseHead(text: string): ResponseHead {
  const lineEnd = text.indexOf('\r\n');
  const status = text.startsWith(usual) ? usualStatus : statusLine.exec(text.slice(0, lineEnd));
  if (!status) throw new ProtocolError('the response does not start with an HTTP/1.x status line');
  const [, minor, digits] = status;
  const seen: Seen = {
    length: undefined,
    transferEncoding: undefined,
    connection: '',
    contentType: '',
    isDated: false,
  };
  const fields = readFields(text, lineEnd + 2, seen);
  const code = Number(digits);
  const framing = framingOf(code, seen);
  return {
    status: code,
    headers: passedOn(fields, seen.connection),
    isDated: seen.isDated,
    framing,
    reusable: framing.by !== 'close' && keepsAlive(minor === '1', seen.connection),
    contentType: mediaType(seen.contentType),
  };
}

function readFields(text: string, from: number, seen: Seen): readonly Field[] {
  const fields = lines.readBlock(text, from);
  if (typeof fields === 'number') throw new ProtocolError(`header line ${fields} is not legal`);
  for (const field of fields) note(seen, field);
  return fields;
}

function note(seen: Seen, { lower, value, length }: Field): void {
  switch (lower) {
    case 'content-length':
      if (seen.length !== undefined) throw new ProtocolError('two content-lengths');
      if (length === undefined) throw new ProtocolError('content-length is not a number');
      seen.length = length;
      break;
    case 'transfer-encoding':
      if (seen.transferEncoding !== undefined) throw new ProtocolError('two transfer-encodings');
      seen.transferEncoding = value.toLowerCase();
      break;
    case 'connection':
      seen.connection += `,${value}`;
      break;
    case 'content-type':
      seen.contentType = value;
      break;
    case 'date':
      seen.isDated = true;
  }
}

/** A Connection header also names other headers that end here. */
function passedOn(fields: readonly Field[], connection: string): string {
  const named = connection === '' ? undefined : new Set(listed(connection));
  let block = '';
  for (const { lower, line } of fields) if (!endsHere.has(lower) && !named?.has(lower)) block += line;
  return block;
}

function mediaType(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
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
  return length === undefined ? { by: 'close' } : { by: 'length', bytes: length };
}

function keepsAlive(byDefault: boolean, connection: string): boolean {
  if (connection === '') return byDefault;
  const named = listed(connection);
  return byDefault ? !named.includes('close') : named.includes('keep-alive');
}

import { type Field, FieldLines, lengthIn } from '../http/field-lines.js';
import { expectsContinue, illegal, noBody, type RequestFraming, type RequestHead, targetOf } from './request-head.js';

/** What may stand in a request line of HTTP/1.1: engines get one. */
const legalTarget = /^[\x21-\x7e]+$/;
const lines = new FieldLines();

interface Seen {
  method: string;
  target: string;
  /** Crumbs of one Cookie header, which HTTP/2 may send apart (RFC 9113 8.2.3). */
  cookies: string[];
  length: number | undefined;
  expect: string | undefined;
}

/**
 * Reads the header block of one HTTP/2 request, `raw` being name, value, name, value. Node's session has refused what RFC 9113
 * forbids (connection-specific headers, names in upper case, missing pseudo headers); what could not be said in HTTP/1.1 is
 * refused here.
 *
 * @throws TandemError that the client reads
 */
export function h2Head(raw: readonly string[], hasBody: boolean): RequestHead {
  const seen: Seen = { method: '', target: '', cookies: [], length: undefined, expect: undefined };
  const fields: Field[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const field = readField(seen, raw[i] ?? '', raw[i + 1] ?? '');
    if (field) fields.push(field);
  }
  if (seen.cookies.length > 0) fields.push(legalField('cookie', seen.cookies.join('; ')));
  if (!legalTarget.test(seen.target)) throw illegal('the path is not legal');
  return {
    method: seen.method,
    ...targetOf(seen.target, seen.method),
    fields,
    framing: hasBody ? framingOf(seen.length) : noBody,
    expectsContinue: expectsContinue(seen.expect),
    keepAlive: true,
    readsChunks: false,
    hopNames: undefined,
  };
}

function readField(seen: Seen, name: string, value: string): Field | undefined {
  if (name.startsWith(':')) {
    if (name === ':method') seen.method = value;
    else if (name === ':path') seen.target = value;
    return undefined;
  }
  if (name === 'cookie') {
    seen.cookies.push(value);
    return undefined;
  }
  if (name === 'content-length') seen.length = lengthIn(`${name}: ${value}`) ?? refuseLength();
  if (name === 'expect') seen.expect = value;
  return legalField(name, value);
}

function refuseLength(): never {
  throw illegal('content-length is not one number');
}

function legalField(name: string, value: string): Field {
  const field = lines.read(`${name}: ${value}`);
  if (field?.lower !== name) throw illegal(`header ${name.slice(0, 100)} is not legal`);
  return field;
}

/** Without a length the end of the stream ends the body, as a last chunk does. */
const framingOf = (length: number | undefined): RequestFraming =>
  length === undefined ? { by: 'chunks' } : { by: 'length', bytes: length };

/** Headers that HTTP/2 does not know (RFC 9113 8.2.2), and for which Node's session throws. */
const ofConnection = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Whole header lines as HTTP/2 says them. Lines of one name become one list (RFC 9110 5.3), but for Set-Cookie. */
export function h2Headers(status: number, block: string): Record<string, string | string[] | number> {
  const headers: Record<string, string | string[] | number> = { ':status': status };
  const cookies: string[] = [];
  for (const line of block.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (colon < 1 || ofConnection.has(name)) continue;
    const value = line.slice(colon + 1).trim();
    const before = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (name === 'set-cookie') cookies.push(value);
    else headers[name] = before === undefined ? value : `${String(before)}, ${value}`;
  }
  return cookies.length > 0 ? { ...headers, 'set-cookie': cookies } : headers;
}

import { METHODS } from 'node:http';
import { type Field, FieldLines, listed } from '../http/field-lines.js';
import { routerErrors } from '../router-errors.js';

/** How the end of a request body is told. Requests without a body have a length of 0. */
export type RequestFraming = { readonly by: 'length'; readonly bytes: number } | { readonly by: 'chunks' };

/** Request line and headers of one request, whatever carried it. */
export interface RequestHead {
  readonly method: string;
  /** Path and query: of an absolute target, its own. */
  readonly target: string;
  /** The target without its query. */
  readonly path: string;
  readonly fields: readonly Field[];
  readonly framing: RequestFraming;
  /** Waits to be told to go on before it sends the body. */
  readonly expectsContinue: boolean;
  /** The client would send another request on this connection. */
  readonly keepAlive: boolean;
  /** HTTP/1.1: the client reads chunks. */
  readonly readsChunks: boolean;
  /** Names of headers that speak of this connection only; undefined where the Connection header names none. */
  readonly hopNames: ReadonlySet<string> | undefined;
}

const requestLine = /^([A-Z-]{1,32}) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/;
const versionless = /^[A-Z-]{1,32} \S+$/;
const methods = new Set(METHODS);
/** Without user and password (RFC 9110 4.2.4), and with nothing in the host that is none. */
const absolute = /^https?:\/\/[\w.~%:[\]-]+(?=[/?#]|$)/i;
/** Header lines of one request. */
export const mostFields = 1000;
const lines = new FieldLines();

/** What the fields say about connection and body. */
interface Seen {
  hosts: number;
  length: number | undefined;
  coding: string | undefined;
  connection: string | undefined;
  expect: string | undefined;
}

/**
 * Reads request line and header lines, each with its line end. Whatever Node's own parser refuses is refused, and so is
 * what it lets pass and another parser may read differently (RFC 9112 2.2, 2.3, 3.2, 5.1, 6.1).
 *
 * @throws TandemError that the client reads; nothing after such a request may be trusted
 */
export function parseRequestHead(text: string): RequestHead {
  const lineEnd = text.indexOf('\r\n');
  const first = text.slice(0, lineEnd);
  const match = requestLine.exec(first);
  if (!match) throw badRequestLine(first);
  const [, method = '', given = '', major = '', minor = ''] = match;
  if (major !== '1' || minor !== '1') checkVersion(major, minor);
  const seen: Seen = { hosts: 0, length: undefined, coding: undefined, connection: undefined, expect: undefined };
  const fields = readFields(text, lineEnd + 2, seen);
  const isLatest = minor === '1';
  checkHost(seen.hosts, isLatest);
  const { target, path } = targetOf(given, method);
  const names = seen.connection === undefined ? undefined : new Set(listed(seen.connection));
  return {
    method,
    target,
    path,
    fields,
    framing: framingOf(seen, isLatest),
    expectsContinue: expectsContinue(seen.expect),
    keepAlive: staysOpen(names, isLatest, seen.connection ?? ''),
    hopNames: names,
    readsChunks: isLatest,
  };
}

export const illegal = (why: string) => routerErrors('bad-http', { why });

function badRequestLine(line: string): Error {
  if (versionless.test(line)) return routerErrors('bad-version', { version: '0.9' });
  return illegal('it does not start with a request line');
}

function checkVersion(major: string, minor: string): void {
  const version = `${major}.${minor}`;
  if (version === '1.1' || version === '1.0') return;
  if (version === '0.9' || version === '2.0') throw routerErrors('bad-version', { version });
  throw illegal(`there is no HTTP/${version}`);
}

function readFields(text: string, from: number, seen: Seen): readonly Field[] {
  const fields = lines.readBlock(text, from);
  if (typeof fields === 'number') throw illegal(`header line ${fields} is not legal`);
  if (fields.length > mostFields) throw routerErrors('too-many-headers', { most: mostFields });
  for (const field of fields) note(seen, field);
  return fields;
}

function note(seen: Seen, { lower, value, length }: Field): void {
  switch (lower) {
    case 'host':
      seen.hosts += 1;
      break;
    case 'content-length':
      if (length === undefined || seen.length !== undefined) throw illegal('content-length is not one number');
      seen.length = length;
      break;
    case 'transfer-encoding':
      seen.coding = joined(seen.coding, value);
      break;
    case 'connection':
    case 'proxy-connection':
      seen.connection = joined(seen.connection, value);
      break;
    case 'expect':
      seen.expect = joined(seen.expect, value);
  }
}

const joined = (before: string | undefined, value: string): string =>
  before === undefined ? value : `${before},${value}`;

function checkHost(hosts: number, isLatest: boolean): void {
  if (hosts > 1) throw routerErrors('two-hosts', {});
  if (hosts === 0 && isLatest) throw illegal('the Host header is missing');
}

/**
 * An absolute target is served as its path (RFC 9112 3.2.2): which host it names says nothing here.
 *
 * @throws TandemError that the client reads
 */
export function targetOf(target: string, method: string): Pick<RequestHead, 'target' | 'path'> {
  if (!methods.has(method)) throw illegal('the method is not known');
  if (target.startsWith('/')) return split(target);
  if (method === 'CONNECT') throw routerErrors('no-tunnel', {});
  if (target === '*' && method === 'OPTIONS') return { target, path: target };
  const origin = absolute.exec(target)?.[0];
  if (origin === undefined) throw routerErrors('bad-target', { target: target.slice(0, 200) });
  const rest = target.slice(origin.length);
  return split(rest.startsWith('/') ? rest : `/${rest}`);
}

function split(target: string): Pick<RequestHead, 'target' | 'path'> {
  const query = target.indexOf('?');
  return { target, path: query < 0 ? target : target.slice(0, query) };
}

export const noBody: RequestFraming = { by: 'length', bytes: 0 };

function framingOf({ coding, length }: Seen, isLatest: boolean): RequestFraming {
  if (coding === undefined) return length ? { by: 'length', bytes: length } : noBody;
  if (length !== undefined) throw illegal('content-length beside transfer-encoding');
  checkCoding(coding, isLatest);
  return { by: 'chunks' };
}

function checkCoding(coding: string, isLatest: boolean): void {
  const codings = listed(coding);
  const facts = { coding: coding.slice(0, 100) };
  const isTwice = codings.filter((word) => word === 'chunked').length > 1;
  if (!isLatest || isTwice || codings.at(-1) !== 'chunked') throw routerErrors('bad-coding', facts);
  if (codings.length > 1) throw routerErrors('unknown-coding', facts);
}

/** @throws bad-expectation */
export function expectsContinue(expect: string | undefined): boolean {
  if (expect === undefined) return false;
  if (expect.toLowerCase() === '100-continue') return true;
  throw routerErrors('bad-expectation', { expect: expect.slice(0, 100) });
}

/** With spaces around it at most: a tab hides the word from other parsers, and to close is safe for whoever is understood wrongly. */
const saysKeepAlive = /(?:^|,) *keep-alive *(?:,|$)/i;

/** The latest version keeps a connection unless it says otherwise, the one before only when it says so. */
function staysOpen(names: ReadonlySet<string> | undefined, isLatest: boolean, connection: string): boolean {
  if (names === undefined) return isLatest;
  return !names.has('close') && (isLatest || saysKeepAlive.test(connection));
}

/** The first value of a header, by its name in lower case. */
export function headerOf({ fields }: Pick<RequestHead, 'fields'>, name: string): string | undefined {
  for (const { lower, value } of fields) if (lower === name) return value;
  return undefined;
}

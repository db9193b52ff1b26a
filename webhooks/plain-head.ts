/** Where the body of a plain request is, and for whom. */
export interface PlainHead {
  readonly path: string;
  /** Offset of the body's first byte. */
  readonly bodyAt: number;
  /** Bytes of the body. */
  readonly length: number;
}

const longest = 4_096;
const headEnd = '\r\n\r\n';
const requestLine = /^POST (\/[a-z/]*)(?:\?[\x21-\x7e]*)? HTTP\/1\.1$/;
const fieldLine = /^([A-Za-z-]+): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/;

/** What each field may say; one that is not here, or says another thing, may mean anything. */
const fields: Readonly<Record<string, RegExp>> = {
  host: /./,
  'user-agent': /./,
  accept: /./,
  'accept-encoding': /./,
  authorization: /./,
  traceparent: /./,
  tracestate: /./,
  connection: /^keep-alive$/i,
  'content-type': /^application\/json$/,
  'content-length': /^\d{1,5}$/,
};

/**
 * The head of a POST of at most 99,999 bytes as API servers send it: HTTP/1.1, each field once, none that changes how the
 * message is framed or answered, and no byte that two readers could read in two ways (RFC 9112 sections 2 to 6).
 * `incomplete` while its end has not come; undefined for every other request, which may be as good.
 */
export function readPlainHead(bytes: Buffer): PlainHead | 'incomplete' | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0 && bytes.length < longest) return 'incomplete';
  if (end < 0 || end > longest) return undefined;
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const path = requestLine.exec(first)?.[1];
  const said = readFields(lines);
  if (path === undefined || !said || !needed.every((name) => said.has(name))) return undefined;
  return { path, bodyAt: end + headEnd.length, length: Number(said.get('content-length')) };
}

const needed = ['host', 'content-type', 'content-length'];

/** Fields by their names in small letters; undefined when one of them is strange or comes twice. */
function readFields(lines: readonly string[]): ReadonlyMap<string, string> | undefined {
  const said = new Map<string, string>();
  for (const line of lines) {
    const [, written = '', value = ''] = fieldLine.exec(line) ?? [];
    const name = written.toLowerCase();
    if (said.has(name) || !Object.hasOwn(fields, name) || !fields[name]?.test(value)) return undefined;
    said.set(name, value);
  }
  return said;
}

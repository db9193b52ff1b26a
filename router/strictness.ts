import type { IncomingMessage } from 'node:http';
import type { TandemError } from '../src/base/errors.js';
import { routerErrors } from './router-errors.js';

/** Node reads at most 2000 lines into its table of headers, whatever the parser saw. */
const mostHeaders = 1000;

/**
 * What Node's parser lets pass and another parser may read differently (RFC 9112 2.3, 3.2, 6.1). Such a request is refused,
 * and so is everything that follows it on its connection. Undefined for all others.
 */
export function whyDistrusted(request: IncomingMessage): TandemError | undefined {
  const { httpVersion, headers, rawHeaders } = request;
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return routerErrors('bad-version', { version: httpVersion });
  if (rawHeaders.length > mostHeaders * 2) return routerErrors('too-many-headers', { most: mostHeaders });
  if (hosts(rawHeaders) > 1) return routerErrors('two-hosts', {});
  return ofTarget(request) ?? ofCoding(headers['transfer-encoding'], httpVersion) ?? ofExpectation(headers.expect);
}

function ofTarget({ url = '', method }: IncomingMessage): TandemError | undefined {
  if (url.startsWith('/') || /^https?:\/\//i.test(url) || (url === '*' && method === 'OPTIONS')) return undefined;
  return routerErrors('bad-target', { target: url.slice(0, 200) });
}

function ofCoding(coding: string | undefined, httpVersion: string): TandemError | undefined {
  if (coding === undefined) return undefined;
  const codings = coding.split(',').map((word) => word.trim().toLowerCase());
  const facts = { coding: coding.slice(0, 100) };
  const isTwice = codings.filter((word) => word === 'chunked').length > 1;
  if (httpVersion === '1.0' || isTwice) return routerErrors('bad-coding', facts);
  return codings.length > 1 || codings[0] !== 'chunked' ? routerErrors('unknown-coding', facts) : undefined;
}

function ofExpectation(expect: string | undefined): TandemError | undefined {
  if (expect === undefined || expect.toLowerCase() === '100-continue') return undefined;
  return routerErrors('bad-expectation', { expect: expect.slice(0, 100) });
}

function hosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count;
}

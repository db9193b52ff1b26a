import type { IncomingMessage } from 'node:http';
import type { TandemError } from '../src/base/errors.js';
import { routerOnly, routerOnlyPrefix } from './dialects/dialect.js';
import { JsonError } from './json-cursor.js';
import { routerErrors } from './router-errors.js';
import { drop, type Edits, SplicedBody } from './spliced-body.js';

const readHere = new Set([
  'model',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'min_tokens',
  'min_completion_tokens',
  'n',
  'best_of',
  'use_beam_search',
  'echo',
  'prompt_logprobs',
  'prompt',
  'messages',
  'input',
  ...routerOnly,
]);
const isRouterOnly = (key: string): boolean =>
  (routerOnly as readonly string[]).includes(key) || key.startsWith(routerOnlyPrefix);

/**
 * The bytes of a request body, up to the limit. `take` is told of each stretch before it is kept, and says whether there
 * is room for it among all bodies.
 */
export function readBody(
  request: IncomingMessage,
  limit: number,
  take: (bytes: number) => TandemError | undefined,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    let refused = false;
    const refuse = (error: Error) => {
      refused = true;
      parts.length = 0;
      reject(error);
    };
    request.on('data', (part: Buffer) => {
      if (refused) return;
      size += part.length;
      const error = size > limit ? routerErrors('body-too-large', { limit }) : take(part.length);
      if (error) refuse(error);
      else parts.push(part);
    });
    request.once('end', () => resolve(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)));
    request.once('error', refuse);
    request.once('close', () => {
      if (!request.complete) refuse(new ClientLeft());
    });
  });
}

/** @throws the error for a client that says beforehand that its body is too large */
export function checkDeclared({ headers }: IncomingMessage, limit: number): void {
  if (Number(headers['content-length'] ?? 0) > limit) throw routerErrors('body-too-large', { limit });
}

/** The client went away while it was still sending: nobody is left to answer. */
export class ClientLeft extends Error {
  override readonly name = 'ClientLeft';
}

/** Refuses what cannot be JSON before any of it is read. A request without a content type is taken for JSON. */
export function checkContentType({ headers }: IncomingMessage): void {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') throw routerErrors('bad-content-encoding', { encoding });
  const type = headers['content-type'];
  if (type !== undefined && !/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) {
    throw routerErrors('bad-content-type', { type: type.slice(0, 100) });
  }
}

/** @throws the error a client reads when the body is not one JSON object */
export function scanRequest(bytes: Buffer): SplicedBody {
  try {
    return SplicedBody.scan(bytes, (key) => readHere.has(key) || key.startsWith(routerOnlyPrefix));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw routerErrors('bad-json', { position: error.position, why: error.message }, error);
  }
}

/** Members of the client's body that only a router may write, each to be left out. */
export function intrusions(body: SplicedBody): Edits {
  return Object.fromEntries(
    body
      .keys()
      .filter(isRouterOnly)
      .map((key) => [key, drop]),
  );
}

/** The prompt as the client wrote it: what prefix affinity compares. */
export function promptOf(body: SplicedBody): Buffer {
  return body.text('messages') ?? body.text('prompt') ?? body.text('input') ?? Buffer.alloc(0);
}

import type { IncomingMessage } from 'node:http';
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

/** The bytes of a request body, up to the limit. */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limit) return Promise.reject(routerErrors('body-too-large', { limit }));
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    request.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= limit) parts.push(part);
      else reject(routerErrors('body-too-large', { limit }));
    });
    request.once('end', () => resolve(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts, size)));
    request.once('error', reject);
    request.once('close', () => {
      if (!request.complete) reject(new ClientLeft());
    });
  });
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

import { headerOf, type RequestHead } from './client/request-head.js';
import { routerOnly, routerOnlyPrefix } from './dialects/dialect.js';
import { JsonError } from './json-cursor.js';
import { routerErrors } from './router-errors.js';
import { type Edits, leaveOut, RawJson, SplicedBody, set } from './spliced-body.js';
import { WantedKeys } from './wanted-keys.js';

/**
 * The member whose members vLLM puts beside those of the request: what only a router may write has its effect there too
 * (`extra_args` in `to_sampling_params` of its chat, completion and response requests).
 */
const engineArguments = 'vllm_xargs';
const readThere = new WantedKeys(routerOnly, routerOnlyPrefix);
const readHere = new WantedKeys(
  [
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
    engineArguments,
    ...routerOnly,
  ],
  routerOnlyPrefix,
);
const isRouterOnly = (key: string): boolean => routerOnly.includes(key) || key.startsWith(routerOnlyPrefix);

/** @throws the error for a client that says beforehand that its body is too large */
export function checkDeclared({ framing }: RequestHead, limit: number): void {
  if (framing.by === 'length' && framing.bytes > limit) throw routerErrors('body-too-large', { limit });
}

/** Refuses what cannot be JSON before any of it is read. A request without a content type is taken for JSON. */
export function checkContentType(head: RequestHead): void {
  const encoding = headerOf(head, 'content-encoding');
  if (encoding !== undefined && encoding !== 'identity') throw routerErrors('bad-content-encoding', { encoding });
  const type = headerOf(head, 'content-type');
  if (type !== undefined && type !== 'application/json' && !/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) {
    throw routerErrors('bad-content-type', { type: type.slice(0, 100) });
  }
}

/** @throws the error a client reads when the body is not one JSON object */
export function scanRequest(bytes: Buffer): SplicedBody {
  return scan(bytes, readHere);
}

function scan(bytes: Buffer, wanted: WantedKeys): SplicedBody {
  try {
    return SplicedBody.scan(bytes, wanted);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw routerErrors('bad-json', { position: error.position, why: error.message }, error);
  }
}

/**
 * Leaves out what only a router may write: members of the client's body, and members of the engine's own arguments in it.
 *
 * @throws the error for a client whose engine arguments cannot be read
 */
export function intrusions(body: SplicedBody): Edits {
  const own = body.keysWhere(isRouterOnly).map(leaveOut);
  const text = body.text(engineArguments);
  if (text?.[0] !== 0x7b) return own; // absent, or nothing that an engine takes
  const there = scan(text, readThere);
  const strip = there.keysWhere(isRouterOnly).map(leaveOut);
  if (strip.length === 0) return own;
  return [...own, set(engineArguments, new RawJson(there.with(strip).whole()))];
}

/** The prompt as the client wrote it: what prefix affinity compares. */
export function promptOf(body: SplicedBody): Buffer {
  return body.text('messages') ?? body.text('prompt') ?? body.text('input') ?? Buffer.alloc(0);
}

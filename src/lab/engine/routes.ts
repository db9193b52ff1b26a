import type { HttpAnswer } from './answers.js';
import { methodNotAllowed, notFound, notSimulated, scaleOutDisabled } from './answers.js';
import type { EngineCore } from './core.js';
import type { Resolved } from './options.js';

export type Found =
  | { readonly kind: 'chat' | 'completion' | 'tokenize' | 'metrics' }
  | { readonly kind: 'answer'; readonly answer: HttpAnswer; readonly type?: string };

type Route = 'chat' | 'completion' | 'tokenize' | 'metrics' | 'not-simulated' | 'scale-out' | Plain;
type Plain = (core: EngineCore, options: Resolved, started: number) => HttpAnswer;

const json = (value: unknown): HttpAnswer => ({ status: 200, body: JSON.stringify(value) });
const health: Plain = (core) => ({ status: core.isAlive ? 200 : 503, body: '' });

const pages = { GET: 'not-simulated', HEAD: 'not-simulated' } as const;

/** Routes and methods as `routes.txt` of the recordings lists them. */
const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/health': { GET: health },
  '/ping': { GET: health, POST: health },
  '/version': { GET: (_core, { version }) => json({ version }) },
  '/load': { GET: (core) => json({ server_load: core.running + core.waiting }) },
  '/metrics': { GET: 'metrics' },
  '/v1/models': { GET: models },
  '/v1/chat/completions': { POST: 'chat' },
  '/v1/completions': { POST: 'completion' },
  '/tokenize': { POST: 'tokenize' },
  '/detokenize': { POST: 'not-simulated' },
  '/invocations': { POST: 'not-simulated' },
  '/v1/chat/completions/batch': { POST: 'not-simulated' },
  '/v1/responses': { POST: 'not-simulated' },
  '/v1/messages': { POST: 'not-simulated' },
  '/v1/messages/count_tokens': { POST: 'not-simulated' },
  '/openapi.json': pages,
  '/docs': pages,
  '/docs/oauth2-redirect': pages,
  '/redoc': pages,
  '/kv_event_sources': { GET: 'not-simulated' },
  '/v1/systemone': { POST: 'not-simulated' },
  '/generative_scoring': { POST: 'not-simulated' },
  '/scale_elastic_ep': { POST: 'not-simulated' },
  '/is_scaling_elastic_ep': { POST: 'not-simulated' },
  '/v1/chat/completions/derender': { POST: 'scale-out' },
  '/v1/completions/derender': { POST: 'scale-out' },
  '/v1/chat/completions/render': { POST: 'scale-out' },
  '/v1/completions/render': { POST: 'scale-out' },
  '/v1/messages/render': { POST: 'scale-out' },
  '/v1/responses/render': { POST: 'scale-out' },
  '/inference/v1/generate': { POST: 'scale-out' },
  '/inference/v1/abort_requests': { POST: 'scale-out' },
};

const preflight: HttpAnswer = {
  status: 400,
  body: 'Disallowed CORS origin',
  headers: {
    vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network',
    'access-control-allow-methods': 'DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY',
    'access-control-max-age': '600',
  },
};

/** Which route answers; CORS preflights and unknown paths included. */
export function findRoute(
  method: string,
  path: string,
  isPreflight: boolean,
  context: { core: EngineCore; options: Resolved; started: number },
): Found {
  if (isPreflight) return { kind: 'answer', answer: preflight, type: 'text/plain; charset=utf-8' };
  const methods = routes[path];
  if (methods === undefined) return { kind: 'answer', answer: notFound };
  const route = methods[method];
  if (route === undefined) return { kind: 'answer', answer: methodNotAllowed(Object.keys(methods).join(', ')) };
  if (typeof route === 'function') {
    return { kind: 'answer', answer: route(context.core, context.options, context.started) };
  }
  if (route === 'not-simulated') return { kind: 'answer', answer: notSimulated(path) };
  if (route === 'scale-out') return { kind: 'answer', answer: scaleOutDisabled };
  return { kind: route };
}

function models(_core: EngineCore, options: Resolved, started: number): HttpAnswer {
  const created = Math.floor(started / 1000);
  return json({
    object: 'list',
    data: options.models.map((id) => ({
      id,
      object: 'model',
      created,
      owned_by: 'vllm',
      root: options.modelPath,
      parent: null,
      max_model_len: options.maxModelLen,
      permission: [
        {
          id: `modelperm-${options.engineId.slice(0, 16)}`,
          object: 'model_permission',
          created,
          allow_create_engine: false,
          allow_sampling: true,
          allow_logprobs: true,
          allow_search_indices: false,
          allow_view: true,
          allow_fine_tuning: false,
          organization: '*',
          group: null,
          is_blocking: false,
        },
      ],
    })),
  });
}

import { routerErrors } from './router-errors.js';

/** Paths that engines answer to POST (vLLM, SGLang); what else is posted below /v1/ is passed on too, but not known to be there. */
const posted = new Set(
  [
    'chat/completions',
    'completions',
    'responses',
    'messages',
    'embeddings',
    'pooling',
    'classify',
    'score',
    'rerank',
    'load_lora_adapter',
    'unload_lora_adapter',
  ].map((path) => `/v1/${path}`),
);

export const isModelList = (path: string): boolean => path === '/v1/models' || path.startsWith('/v1/models/');

/** How a request is refused that neither goes to an engine nor is answered here: what is not there, then what it does not take. */
export function refusal(method: string, path: string) {
  const said = { method, path: path.slice(0, 200) };
  if (isModelList(path))
    return { allow: 'GET, HEAD', error: routerErrors('wrong-method', { ...said, allowed: 'GET' }) };
  if (posted.has(path)) return { allow: 'POST', error: routerErrors('wrong-method', { ...said, allowed: 'POST' }) };
  return { allow: undefined, error: routerErrors('unknown-path', said) };
}

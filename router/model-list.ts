import type { TandemError } from '../src/base/errors.js';
import type { RequestHead } from './client/request-head.js';
import { routerErrors } from './router-errors.js';

/** `GET /v1/models` and `GET /v1/models/NAME` as OpenAI clients read them. */
export function modelList({ path }: RequestHead, models: readonly string[]): string {
  if (path === '/v1/models') return JSON.stringify({ object: 'list', data: models.map(entry) });
  const model = decoded(path.slice('/v1/models/'.length));
  if (!models.includes(model)) throw unknownModel(model, models);
  return JSON.stringify(entry(model));
}

/** Says which names there are. */
export function unknownModel(model: string, known: readonly string[]): TandemError {
  return routerErrors('unknown-model', { model: model.slice(0, 256), known: someOf(known) });
}

/** As many names as a person reads. */
const mostNamed = 20;

/** These names, as far as a person reads on. */
export function someOf(models: readonly string[]): string {
  if (models.length === 0) return 'none yet; apply a ModelRoute';
  const some = models.slice(0, mostNamed).join(', ');
  return models.length > mostNamed ? `${some} and ${models.length - mostNamed} more (GET /v1/models)` : some;
}

const entry = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'tandem' });

/** A name that is not legally escaped is taken as it stands: it then names no model. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

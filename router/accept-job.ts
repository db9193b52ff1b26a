import type { Target } from '../src/core/pairing/match-route.js';
import type { PrefixHasher } from '../src/core/pairing/prefix.js';
import type { BodyRoom } from './body-room.js';
import { headerOf, type RequestHead } from './client/request-head.js';
import type { Directory, ServerView } from './directory.js';
import type { Job } from './job.js';
import { LegHead } from './leg-head.js';
import { someOf, unknownModel } from './model-list.js';
import { intrusions, promptOf, scanRequest } from './request-body.js';
import type { Room } from './room.js';
import { routerErrors } from './router-errors.js';
import { type SplicedBody, set } from './spliced-body.js';

export interface Accepting {
  readonly room: Room;
  readonly directory: Directory;
  readonly hash: PrefixHasher;
}

/** Reads a request far enough to know who shall serve it. @throws the error for the client */
export function acceptJob(
  { room, directory, hash }: Accepting,
  head: RequestHead,
  bytes: Buffer,
  open: BodyRoom & Pick<Job, 'id' | 'answer'>,
): Job {
  const body = scanRequest(bytes);
  const model = modelOf(body, directory);
  const target = targetOf(directory, head, model, room.random());
  const view = viewOf(directory, target);
  const prompt = promptOf(body);
  return {
    id: open.id,
    model,
    answer: open.answer,
    head: new LegHead(head, open, room.tracing),
    room: open,
    body: forEngines(room, body, view, target.isLora ? undefined : model),
    view,
    streaming: body.text('stream')?.toString() === 'true',
    promptBytes: prompt.length,
    hashes: hash(prompt),
    legs: [],
    promptTokens: undefined,
    completionTokens: undefined,
    fallback: undefined,
    brokenOff: undefined,
  };
}

function modelOf(body: SplicedBody, directory: Directory): string {
  const model = body.value('model');
  if (typeof model === 'string' && model.trim() !== '') return model;
  throw routerErrors('no-model', { models: someOf(directory.routes.models) });
}

function targetOf(directory: Directory, head: RequestHead, model: string, random: number): Target {
  const header = (name: string) => headerOf(head, name);
  const found = directory.routes.match({ model, path: head.path, header, random });
  if ('target' in found) return found.target;
  if (found.none === 'rule') throw routerErrors('no-rule', { model, why: found.why });
  throw unknownModel(model, directory.routes.models);
}

function viewOf(directory: Directory, { namespace, modelServer }: Target): ServerView {
  const view = directory.view(namespace, modelServer);
  if (!view) throw routerErrors('no-model-server', { name: `${namespace}/${modelServer}` });
  return view;
}

/**
 * What every leg changes: the engine's own name of the model, where the client did not name an adapter (`asked` is then
 * undefined), and nothing that only a router may say.
 */
function forEngines(room: Room, body: SplicedBody, view: ServerView, asked: string | undefined): SplicedBody {
  const strip = intrusions(body);
  if (strip.length > 0) {
    const keys = strip.map(({ key }) => key).join(', ');
    room.metrics.repair('client-params');
    room.warn(`client-params ${view.name}`, `clients send, as or in ${keys}, what only a router may; it is left out`);
  }
  const { model } = view.server.spec;
  const rename = model !== undefined && asked !== undefined && asked !== model;
  return body.with(rename ? [...strip, set('model', model)] : strip);
}

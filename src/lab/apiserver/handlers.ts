/** The verbs of a resource: from an exchange to the read, write, delete and watch modules, and back to an answer. */

import { answerList, answerObject, deletedStatus } from './answers.js';
import { type Call, type UserInfo, writeOptions } from './call.js';
import { deleteObject, deleteOptions } from './delete.js';
import type { Exchange } from './exchange.js';
import { assertMetadataName } from './metadata-name.js';
import type { Obj } from './object.js';
import { patchObject } from './patch/patch.js';
import { getObject, listObjects } from './read.js';
import { hasSubresource } from './resource-type.js';
import { scaleOf } from './scale-view.js';
import { badRequest, methodNotAllowed, noSuchResource, notImplemented } from './status.js';
import { bindPod } from './subresources/binding.js';
import { evictPod } from './subresources/eviction.js';
import { finalizeNamespace } from './subresources/finalize.js';
import { answerReview } from './subresources/reviews.js';
import { putScale } from './subresources/scale.js';
import type { Handlers, Target } from './target.js';
import { streamWatch } from './watch-stream.js';
import { createObject, decodeBody, updateObject } from './write.js';

type Handler = (server: Handlers, exchange: Exchange, target: Target) => Promise<void> | void;

/** Answers one request for a resource. Throws `ApiError` for whatever is refused. */
export async function handle(server: Handlers, exchange: Exchange, target: Target): Promise<void> {
  const handler = handlerOf(exchange, target);
  if (handler === undefined) throw methodNotAllowed();
  await handler(server, exchange, target);
}

const collection: Readonly<Record<string, Handler>> = { GET: list, POST: create, DELETE: deleteCollection };
const object: Readonly<Record<string, Handler>> = { GET: get, PUT: replace, PATCH: patch, DELETE: remove };
const status: Readonly<Record<string, Handler>> = { GET: get, PUT: replace, PATCH: patch };
const scale: Readonly<Record<string, Handler>> = { GET: readScale, PUT: writeScale, PATCH: writeScale };

function handlerOf(exchange: Exchange, target: Target): Handler | undefined {
  const { type, subresource, name, namespace } = target;
  if (type.strategy.virtual === true) return exchange.method === 'POST' ? review : undefined;
  if (subresource !== undefined) return subresourceHandler(exchange, target);
  if (name !== undefined) return object[exchange.method];
  // A namespaced kind can be listed everywhere, but only be created or cleared inside one namespace.
  if (type.namespaced && namespace === undefined && exchange.method !== 'GET') return undefined;
  if (exchange.method === 'DELETE' && !type.verbs.includes('deletecollection')) return undefined;
  return collection[exchange.method];
}

const posted: Readonly<Record<string, Handler>> = { binding: bind, eviction: evict };

function subresourceHandler(exchange: Exchange, { type, subresource = '' }: Target): Handler | undefined {
  if (!hasSubresource(type, subresource)) {
    if (type.custom) throw noSuchResource();
    throw notImplemented(`${type.plural}/${subresource}`);
  }
  if (subresource === 'status') return status[exchange.method];
  if (subresource === 'scale') return scale[exchange.method];
  if (subresource === 'finalize') return exchange.method === 'PUT' ? finalize : undefined;
  return exchange.method === 'POST' ? posted[subresource] : undefined;
}

function callOf(exchange: Exchange, target: Target): Call {
  return {
    ...target,
    ...writeOptions(exchange.query, exchange.userAgent),
    user: exchange.user as UserInfo,
    warn: exchange.warn,
  };
}

function named(exchange: Exchange, target: Target): Call & { name: string } {
  return { ...callOf(exchange, target), name: target.name ?? '' };
}

function get({ ctx }: Handlers, exchange: Exchange, { type, namespace, name = '' }: Target): void {
  answerObject(ctx, exchange, type, 200, getObject(ctx, type, namespace, name));
}

function list(server: Handlers, exchange: Exchange, target: Target): void {
  const { ctx, continuations } = server;
  const { type, namespace } = target;
  if (['true', '1'].includes(exchange.query.get('watch') ?? '')) streamWatch(server, exchange, target);
  else answerList(ctx, exchange, type, listObjects(ctx, continuations, type, namespace, exchange.query));
}

async function create({ ctx }: Handlers, exchange: Exchange, target: Target): Promise<void> {
  const call = callOf(exchange, target);
  const body = decodeBody(call, await exchange.body());
  answerObject(ctx, exchange, target.type, 201, await createObject(ctx, call, body));
}

async function replace({ ctx }: Handlers, exchange: Exchange, target: Target): Promise<void> {
  const call = named(exchange, target);
  const { type } = target;
  const body = decodeBody(call, await exchange.body());
  assertMetadataName(call, body);
  const exists = ctx.store.get(
    type.bucket,
    call.namespace === undefined ? call.name : `${call.namespace}/${call.name}`,
  );
  if (exists === undefined && type.strategy.allowCreateOnUpdate === true && call.subresource === undefined) {
    return answerObject(ctx, exchange, type, 201, await createObject(ctx, call, body));
  }
  const updated = await updateObject(ctx, call, { next: () => structuredClone(body), replaces: true });
  answerObject(ctx, exchange, type, 200, updated);
}

async function patch({ ctx }: Handlers, exchange: Exchange, target: Target): Promise<void> {
  const call = named(exchange, target);
  const body = await exchange.body();
  const force = exchange.query.get('force') === 'true';
  const { object: patched, isNew } = await patchObject(ctx, call, exchange.contentType, body, force);
  answerObject(ctx, exchange, target.type, isNew ? 201 : 200, patched);
}

async function remove({ ctx }: Handlers, exchange: Exchange, target: Target): Promise<void> {
  const options = deleteOptions(await exchange.body(), exchange.query);
  const call = { ...named(exchange, target), dryRun: isDryRun(exchange, options.raw) };
  const { object: last, isGone } = await deleteObject(ctx, call, options);
  if (isGone && target.type.kind !== 'Pod') exchange.json(200, deletedStatus(target.type, last));
  else answerObject(ctx, exchange, target.type, 200, last);
}

const isDryRun = (exchange: Exchange, raw: Readonly<Record<string, unknown>>): boolean =>
  exchange.query.getAll('dryRun').includes('All') || (Array.isArray(raw['dryRun']) && raw['dryRun'].includes('All'));

async function deleteCollection(server: Handlers, exchange: Exchange, target: Target): Promise<void> {
  const { ctx, continuations } = server;
  const options = deleteOptions(await exchange.body(), exchange.query);
  const page = listObjects(ctx, continuations, target.type, target.namespace, exchange.query);
  const left: Obj[] = [];
  for (const { metadata } of page.items) {
    const call = {
      ...named(exchange, {
        ...target,
        name: metadata.name,
        ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
      }),
      dryRun: isDryRun(exchange, options.raw),
    };
    left.push((await deleteObject(ctx, call, options)).object);
  }
  answerList(ctx, exchange, target.type, { items: left, resourceVersion: String(ctx.store.revision) });
}

async function bind({ ctx }: Handlers, exchange: Exchange, target: Target): Promise<void> {
  exchange.json(201, await bindPod(ctx, named(exchange, target), await exchange.body()));
}

async function evict({ ctx }: Handlers, exchange: Exchange, target: Target): Promise<void> {
  exchange.json(201, await evictPod(ctx, named(exchange, target), await exchange.body()));
}

async function finalize({ ctx }: Handlers, exchange: Exchange, target: Target): Promise<void> {
  answerObject(
    ctx,
    exchange,
    target.type,
    200,
    await finalizeNamespace(ctx, named(exchange, target), await exchange.body()),
  );
}

function readScale({ ctx }: Handlers, exchange: Exchange, { type, namespace, name = '' }: Target): void {
  exchange.json(200, scaleOf(type, getObject(ctx, type, namespace, name)));
}

async function writeScale({ ctx }: Handlers, exchange: Exchange, target: Target): Promise<void> {
  const patchType = exchange.method === 'PATCH' ? exchange.contentType : undefined;
  exchange.json(200, await putScale(ctx, named(exchange, target), await exchange.body(), patchType));
}

async function review(server: Handlers, exchange: Exchange, target: Target): Promise<void> {
  const body = await exchange.body();
  if (target.type.kind !== 'Binding') return exchange.json(201, answerReview(target.type, exchange.user, body));
  const pods = server.ctx.registry.find('', 'v1', 'pods');
  const name = (body as { metadata?: { name?: string } } | undefined)?.metadata?.name;
  if (pods === undefined || name === undefined) throw badRequest('a Binding names its pod in metadata.name');
  exchange.json(
    201,
    await bindPod(server.ctx, named(exchange, { ...target, type: pods, name, subresource: 'binding' }), body),
  );
}

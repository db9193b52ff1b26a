/** Get, list with limit and continue, and the versions that a reader may ask for. */
import { randomUUID } from 'node:crypto';
import type { ApiContext } from './context.js';
import { keyOf, type Obj } from './object.js';
import { present, type ResourceType } from './resource-type.js';
import { assertFields, selection } from './selectors.js';
import { ApiError, badRequest, expired, notFound } from './status.js';

export interface ListPage {
  readonly items: readonly Obj[];
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/** Rests of lists that were read in part. Bounded: the oldest is forgotten, and its reader gets 410 and starts again. */
export class Continuations {
  readonly #rests = new Map<string, { items: readonly Obj[]; resourceVersion: string }>();
  readonly #limit: number;

  constructor(limit = 64) {
    this.#limit = limit;
  }

  keep(items: readonly Obj[], resourceVersion: string): string {
    const token = Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', start: randomUUID() })).toString('base64url');
    this.#rests.set(token, { items, resourceVersion });
    const oldest = this.#rests.keys().next();
    if (this.#rests.size > this.#limit && !oldest.done) this.#rests.delete(oldest.value);
    return token;
  }

  take(token: string): { items: readonly Obj[]; resourceVersion: string } {
    if (!isToken(token)) throw badRequest('continue key is not valid: it was not made by this server');
    const rest = this.#rests.get(token);
    if (rest === undefined) {
      throw expired(
        'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
      );
    }
    return rest;
  }
}

function isToken(token: string): boolean {
  return Buffer.from(token, 'base64url').toString('utf8').startsWith('{"v":"meta.k8s.io/v1"');
}

export function getObject(ctx: ApiContext, type: ResourceType, namespace: string | undefined, name: string): Obj {
  const held = ctx.store.get(type.bucket, keyOf(namespace, name));
  if (held === undefined) throw notFound(type, name);
  return present(type, held);
}

/** One page. The list is complete and of one revision, whatever revision the request would be content with. */
export function listObjects(
  ctx: ApiContext,
  continuations: Continuations,
  type: ResourceType,
  namespace: string | undefined,
  query: URLSearchParams,
): ListPage {
  const limit = Number(query.get('limit') ?? 0);
  if (!Number.isInteger(limit) || limit < 0)
    throw badRequest(`limit must be a whole number, not ${query.get('limit')}`);
  assertFields(type, query);
  const token = query.get('continue') ?? '';
  const all = token === '' ? fresh(ctx, type, namespace, query) : continuations.take(token);
  const items = limit === 0 ? all.items : all.items.slice(0, limit);
  const rest = all.items.slice(items.length);
  // With a selector the real server does not know how many are left.
  const isWhole = !query.get('labelSelector') && !query.get('fieldSelector');
  return {
    items,
    resourceVersion: all.resourceVersion,
    ...(rest.length > 0 && {
      continue: continuations.keep(rest, all.resourceVersion),
      ...(isWhole && { remainingItemCount: rest.length }),
    }),
  };
}

function fresh(ctx: ApiContext, type: ResourceType, namespace: string | undefined, query: URLSearchParams) {
  assertVersion(ctx, query);
  const selects = selection(type, query);
  const held = ctx.store.list(type.bucket, namespace);
  const items = (selects === undefined ? held : held.filter(selects)).map((object) => present(type, object));
  return { items, resourceVersion: String(ctx.store.revision) };
}

/** Throws when a reader asks for a version that is not there: exact ones are gone, future ones are too large. */
function assertVersion(ctx: ApiContext, query: URLSearchParams): void {
  const text = query.get('resourceVersion') ?? '';
  if (text === '' || text === '0') return;
  const asked = parseVersion(text);
  if (asked > ctx.store.revision) throw tooLargeVersion(asked, ctx.store.revision);
  if (query.get('resourceVersionMatch') === 'Exact' && asked < ctx.store.revision) {
    throw expired(`The resourceVersion for the provided list is too old: ${asked} (${ctx.store.revision})`);
  }
}

export function parseVersion(text: string): number {
  if (!/^\d+$/.test(text)) throw badRequest(`resourceVersion: Invalid value: "${text}": must be a number`);
  return Number(text);
}

const tooLargeVersion = (asked: number, current: number): ApiError =>
  new ApiError(504, 'Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });

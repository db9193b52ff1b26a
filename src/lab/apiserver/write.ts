/**
 * Create and update, in the order of the real server: decode and default, record field managers, mutating admission,
 * prepare and validate, validating admission, store. An update that lost a race is computed again on the newer object.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Attributes } from './admission/attributes.js';
import type { Call } from './call.js';
import type { ApiContext } from './context.js';
import { decode } from './decode.js';
import { invalid } from './field-error.js';
import { assertNamespaceOpen } from './namespaces.js';
import { clone, dictOf, keyOf, type Obj, same, timestamp } from './object.js';
import { applyDefaults, prepareUpdated, validateObject } from './prepare.js';
import { bucketOf } from './registry.js';
import { hasSubresource, present, type ResourceType } from './resource-type.js';
import { scaleKind, scaleOf, setReplicas } from './scale-view.js';
import { trackManagers } from './ssa/track.js';
import { ApiError, alreadyExists, badRequest, conflict, invalidObject, modified, notFound } from './status.js';

const attempts = 5;
const nameLetters = 'bcdfghjklmnpqrstvwxz2456789';
const longestGeneratedBase = 58;

/** Decodes a body, with unknown members refused or warned about as the request asks, and defaults filled in. */
export function decodeBody(call: Call, body: unknown): Obj {
  const { object, unknown } = decode(call.type, body);
  if (unknown.length > 0 && call.fieldValidation !== 'Ignore') {
    const texts = unknown.map((path) => `unknown field ${JSON.stringify(path)}`);
    if (call.fieldValidation === 'Strict') throw strictError(call, texts);
    for (const text of texts) call.warn(text);
  }
  return applyDefaults(call.type, object);
}

function strictError({ type }: Call, texts: readonly string[]): Error {
  return badRequest(
    `${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: strict decoding error: ${texts.join(', ')}`,
  );
}

/** Creates the object. Throws `ApiError` when it is refused. */
export async function createObject(ctx: ApiContext, call: Call, input: Obj, managersKnown = false): Promise<Obj> {
  const { type } = call;
  placeInNamespace(call, input);
  assertNamespaceOpen(ctx, call);
  forgetIdentity(input);
  if (!managersKnown) trackManagers(ctx, call, undefined, input);
  type.strategy.admit?.(input);
  const object = await ctx.admission.mutate(attributes(call, 'CREATE', input), (changed) => decodeAgain(call, changed));
  giveIdentity(ctx, call, object);
  validateObject(call, object, undefined);
  await ctx.admission.validate(attributes(call, 'CREATE', object));
  const key = keyOf(object.metadata.namespace, object.metadata.name);
  if (ctx.store.get(type.bucket, key) !== undefined) throw alreadyExists(type, object.metadata.name);
  for (const text of type.strategy.warnings?.(object) ?? []) call.warn(text);
  return call.dryRun ? object : commit(ctx, call, object);
}

const identityMembers = ['uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generation'];

/** What a client cannot choose. A resourceVersion would mean another object. */
function forgetIdentity({ metadata }: Obj): void {
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== '') {
    // The real server has no better code for it.
    throw new ApiError(500, '', 'resourceVersion should not be set on objects to be created');
  }
  for (const member of identityMembers) delete metadata[member];
}

export function decodeAgain(call: Call, changed: unknown): Obj {
  return applyDefaults(call.type, decode(call.type, changed).object);
}

function placeInNamespace({ type, namespace, name }: Call, object: Obj): void {
  const { metadata } = object;
  if (type.namespaced) {
    if (metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
    if (namespace !== undefined) metadata.namespace = namespace;
  }
  if (name !== undefined) metadata.name ??= name;
}

function giveIdentity(ctx: ApiContext, { type }: Call, object: Obj): void {
  const { metadata } = object;
  const now = timestamp(ctx.now());
  metadata.name ??= '';
  if (metadata.name === '' && metadata.generateName) metadata.name = generatedName(metadata.generateName);
  metadata.uid = randomUUID();
  metadata.creationTimestamp = now;
  if (type.custom || type.strategy.generation) metadata.generation = 1;
  type.strategy.prepareCreate?.(object, now);
  if (type.custom && hasSubresource(type, 'status')) delete object['status'];
}

function generatedName(base: string): string {
  const letters = [...randomBytes(5)].map((byte) => nameLetters[byte % nameLetters.length]);
  return `${base.slice(0, longestGeneratedBase)}${letters.join('')}`;
}

const stored = ({ type }: Call, object: Obj): Obj => type.toStored?.(object) ?? object;

function commit(ctx: ApiContext, call: Call, object: Obj): Obj {
  return present(call.type, ctx.store.put(call.type.bucket, stored(call, clone(object))));
}

function attributes(
  call: Call,
  operation: 'CREATE' | 'UPDATE',
  object: Obj,
  oldObject?: Obj,
): Attributes & { object: Obj } {
  return { call, operation, object, ...(oldObject && { oldObject }), kind: call.type };
}

export interface Update {
  /** The object as it shall be, from the object as it is. May edit its argument. Called again after a lost race. */
  readonly next: (current: Obj) => Obj | Promise<Obj>;
  /** True when `next` recorded its field managers itself (server-side apply). */
  readonly managersKnown?: boolean;
  /** True for PUT: the request's resourceVersion decides, and its absence may be refused. */
  readonly replaces?: boolean;
}

/** Changes the named object. Throws 404 when there is none, 409 when a precondition fails. */
export async function updateObject(ctx: ApiContext, call: Call & { name: string }, update: Update): Promise<Obj> {
  const { type } = call;
  const key = keyOf(call.namespace, call.name);
  for (let attempt = 1; ; attempt++) {
    const held = ctx.store.get(type.bucket, key);
    if (held === undefined) throw notFound(type, call.name);
    const current = present(type, held);
    const next = await update.next(clone(current));
    assertSameObject(call, next, current);
    const isPinned = assertVersions(call, next, current, update.replaces === true);
    const object = await admitUpdate(ctx, call, next, current, update.managersKnown === true);
    if (ctx.store.get(type.bucket, key) === held) return call.dryRun ? object : settle(ctx, call, object, current);
    if (isPinned || attempt === attempts) throw modified(type, call.name);
  }
}

async function admitUpdate(ctx: ApiContext, call: Call, next: Obj, current: Obj, managersKnown: boolean): Promise<Obj> {
  const { type } = call;
  prepareUpdated(call, next, current);
  if (!managersKnown) trackManagers(ctx, call, current, next);
  const object = await mutateUpdate(ctx, call, next, current);
  prepareUpdated(call, object, current);
  if (call.subresource === undefined) type.strategy.prepareUpdate?.(object, current);
  countGeneration(call, object, current);
  validateObject(call, object, current);
  await ctx.admission.validate(
    call.subresource === 'scale' ? scaleAttributes(call, object, current) : attributes(call, 'UPDATE', object, current),
  );
  return object;
}

async function mutateUpdate(ctx: ApiContext, call: Call, next: Obj, current: Obj): Promise<Obj> {
  if (call.subresource !== 'scale') {
    return ctx.admission.mutate(attributes(call, 'UPDATE', next, current), (changed) => decodeAgain(call, changed));
  }
  const scale = await ctx.admission.mutate(scaleAttributes(call, next, current), (changed) => changed as Obj);
  setReplicas(call.type, next, Number(dictOf(scale['spec'])['replicas'] ?? 0));
  return next;
}

/** Admission of `scale` is about the Scale, not about the object behind it. */
const scaleAttributes = (call: Call, object: Obj, current: Obj): Attributes & { object: Obj } => ({
  call,
  operation: 'UPDATE',
  kind: scaleKind,
  object: scaleOf(call.type, object),
  oldObject: scaleOf(call.type, current),
});

/** A body that names a uid means that object and no other of its name. */
function assertSameObject({ type, name = '' }: Call, next: Obj, current: Obj): void {
  const { uid } = next.metadata;
  const found = current.metadata.uid;
  if (!uid || uid === found) return;
  throw conflict(type, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${found}`);
}

/** True when the request named the version it wants to replace. */
function assertVersions({ type, name = '' }: Call, next: Obj, current: Obj, replaces: boolean): boolean {
  const { resourceVersion = '0' } = next.metadata;
  const isPinned = !['', '0'].includes(resourceVersion);
  if (isPinned && resourceVersion !== current.metadata.resourceVersion) throw modified(type, name);
  const isBlind = replaces && !isPinned;
  if (isBlind && type.strategy.allowUnconditionalUpdate !== true) throw withoutVersion(type, name);
  return replaces && isPinned;
}

const withoutVersion = (type: ResourceType, name: string) =>
  invalidObject({ ...type, kind: type.plural }, name, [
    invalid('metadata.resourceVersion', 0, 'must be specified for an update'),
  ]);

function countGeneration({ type, subresource }: Call, object: Obj, current: Obj): void {
  const counts = type.custom || type.strategy.generation === true;
  if (!counts || (subresource !== undefined && subresource !== 'scale')) return;
  const [before, after] = [current, object].map((version) =>
    Object.fromEntries(Object.entries(version).filter(([key]) => key !== 'metadata' && key !== 'status')),
  );
  if (!same(before, after)) object.metadata.generation = (current.metadata.generation ?? 0) + 1;
}

/** Stores what changed; an equal object is not written, and one whose deletion has nothing left to wait for goes. */
function settle(ctx: ApiContext, call: Call, object: Obj, current: Obj): Obj {
  const { metadata } = object;
  const isLeaving = metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0;
  if (isLeaving && (metadata.deletionGracePeriodSeconds ?? 0) === 0 && !isHeldNamespace(call, object)) {
    ctx.store.put(call.type.bucket, stored(call, clone(object)));
    return present(call.type, ctx.store.remove(call.type.bucket, keyOf(metadata.namespace, metadata.name)) ?? object);
  }
  return same(object, current) ? current : commit(ctx, call, object);
}

const isHeldNamespace = ({ type }: Call, object: Obj): boolean =>
  type.bucket === bucketOf('', 'namespaces') && ((dictOf(object['spec'])['finalizers'] as unknown[]) ?? []).length > 0;

/**
 * Deletion: an object without finalizers whose strategy need not wait goes at once; any other is marked and stays until
 * the last finalizer is gone and, for a pod, until the kubelet has deleted it with a grace period of zero.
 */
import type { Call, DeleteOptions } from './call.js';
import type { ApiContext } from './context.js';
import { definedBucket, definitionBucket } from './crd/definition.js';
import { definitionCleanup, foreground, orphan } from './finalizers.js';
import { assertDeletable } from './namespaces.js';
import { at, clone, type Dict, dictOf, isDict, keyOf, listOf, type Obj, same, timestamp } from './object.js';
import { present } from './resource-type.js';
import { badRequest, conflict, notFound } from './status.js';

export interface Deletion {
  /** The object as it was last, or as it now waits. */
  readonly object: Obj;
  /** False while finalizers or a grace period keep it. */
  readonly isGone: boolean;
}

/** Reads `DeleteOptions` from the body and from the query, which some clients use. */
export function deleteOptions(body: unknown, query: URLSearchParams): DeleteOptions {
  const raw = isDict(body) ? body : {};
  const {
    gracePeriodSeconds: grace,
    propagationPolicy: policy,
    orphanDependents: orphans,
  } = { ...asked(query), ...raw };
  assertOptions(grace, policy);
  return {
    raw,
    // Negative grace periods are read as the smallest one.
    ...(typeof grace === 'number' && { gracePeriodSeconds: grace < 0 ? 1 : grace }),
    ...(policy !== undefined && { propagationPolicy: String(policy) }),
    ...(typeof orphans === 'boolean' && { orphanDependents: orphans }),
    ...(isDict(raw['preconditions']) && { preconditions: raw['preconditions'] }),
  };
}

function assertOptions(grace: unknown, policy: unknown): void {
  if (grace !== undefined && !Number.isInteger(grace)) throw badRequest('gracePeriodSeconds must be an integer');
  if (policy === undefined || policies.includes(String(policy))) return;
  throw badRequest(`propagationPolicy must be one of ${policies.join(', ')}, not ${String(policy)}`);
}

/** What the query asks for; the body has the last word. */
function asked(query: URLSearchParams): Dict {
  const [grace, policy, orphans] = ['gracePeriodSeconds', 'propagationPolicy', 'orphanDependents'].map((name) =>
    query.get(name),
  );
  return {
    ...(grace && { gracePeriodSeconds: Number(grace) }),
    ...(policy && { propagationPolicy: policy }),
    ...(orphans && { orphanDependents: orphans === 'true' }),
  };
}

const policies = ['Foreground', 'Background', 'Orphan'];

/** Deletes, or marks for deletion. Throws 404 and, for a failed precondition, 409. */
export async function deleteObject(
  ctx: ApiContext,
  call: Call & { name: string },
  options: DeleteOptions,
): Promise<Deletion> {
  const { type, name } = call;
  const key = keyOf(call.namespace, name);
  for (;;) {
    const held = ctx.store.get(type.bucket, key);
    if (held === undefined) throw notFound(type, name);
    const current = present(type, held);
    assertPreconditions(call, current, options);
    assertDeletable(call);
    await ctx.admission.validateDelete({
      call,
      operation: 'DELETE',
      kind: type,
      oldObject: current,
      options: { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...options.raw },
    });
    // Someone else was faster while admission was asked: look again.
    if (ctx.store.get(type.bucket, key) === held) return remove(ctx, call, held, options);
  }
}

function assertPreconditions({ type, name = '' }: Call, { metadata }: Obj, { preconditions }: DeleteOptions): void {
  const { uid, resourceVersion } = preconditions ?? {};
  if (uid !== undefined && uid !== metadata.uid) {
    throw conflict(type, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw conflict(
      type,
      name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    );
  }
}

function remove(ctx: ApiContext, call: Call & { name: string }, held: Obj, options: DeleteOptions): Deletion {
  const { type } = call;
  const next = clone(held);
  const finalizers = finalizersFor(ctx, type.bucket, held, options);
  if (finalizers.length === 0) delete next.metadata.finalizers;
  else next.metadata.finalizers = finalizers;
  const grace = graceOf(call, held, options);
  const isHeld = finalizers.length > 0 || isNamespaceWithContent(type.bucket, next);
  if (grace === 0 && !isHeld) return gone(ctx, call, held);
  mark(ctx, type.bucket, next, grace);
  if (call.dryRun || same(next, held)) return { object: present(type, next), isGone: false };
  return { object: present(type, ctx.store.put(type.bucket, next)), isGone: false };
}

/** Says when the object goes; once said, it can only become sooner. */
function mark(ctx: ApiContext, bucket: string, next: Obj, grace: number): void {
  const { metadata } = next;
  const isFirst = metadata.deletionTimestamp === undefined;
  if (isFirst || grace < (metadata.deletionGracePeriodSeconds ?? 0)) {
    metadata.deletionTimestamp = timestamp(ctx.now() + grace * 1000);
    metadata.deletionGracePeriodSeconds = grace;
    if (metadata.generation !== undefined) metadata.generation++;
  }
  if (isFirst) markTerminating(ctx, bucket, next);
}

function gone(ctx: ApiContext, { type, dryRun, namespace, name }: Call & { name: string }, held: Obj): Deletion {
  const last = dryRun ? held : (ctx.store.remove(type.bucket, keyOf(namespace, name)) ?? held);
  return { object: present(type, last), isGone: true };
}

/** Seconds to wait. What is being deleted already can only be asked to go sooner. */
function graceOf({ type }: Call, held: Obj, options: DeleteOptions): number {
  const wait = type.strategy.gracePeriod?.(held, options.gracePeriodSeconds) ?? 0;
  if (held.metadata.deletionTimestamp === undefined) return wait;
  return options.gracePeriodSeconds === undefined
    ? (held.metadata.deletionGracePeriodSeconds ?? wait)
    : Math.min(wait, held.metadata.deletionGracePeriodSeconds ?? wait);
}

function finalizersFor(ctx: ApiContext, bucket: string, object: Obj, options: DeleteOptions): string[] {
  const asked = ownerFinalizers(object, options);
  const isInUse = bucket === definitionBucket && ctx.store.list(definedBucket(object)).length > 0;
  return isInUse && !asked.includes(definitionCleanup) ? [...asked, definitionCleanup] : asked;
}

function ownerFinalizers({ metadata }: Obj, options: DeleteOptions): string[] {
  const present = metadata.finalizers ?? [];
  const { propagationPolicy: policy, orphanDependents } = options;
  if (policy === undefined && orphanDependents === undefined) return [...present];
  const rest = present.filter((name) => name !== foreground && name !== orphan);
  if (policy === 'Orphan' || orphanDependents === true) return [...rest, orphan];
  return policy === 'Foreground' ? [...rest, foreground] : rest;
}

const isNamespaceWithContent = (bucket: string, object: Obj): boolean =>
  bucket === 'namespaces' && listOf(at(object, 'spec', 'finalizers')).length > 0;

/** Namespaces and definitions say in their status that they are going. */
function markTerminating(ctx: ApiContext, bucket: string, object: Obj): void {
  if (bucket === 'namespaces') object['status'] = { ...dictOf(object['status']), phase: 'Terminating' };
  if (bucket !== definitionBucket) return;
  const status = dictOf(object['status']);
  const others = listOf(status['conditions']).filter((condition) => dictOf(condition)['type'] !== 'Terminating');
  object['status'] = {
    ...status,
    conditions: [
      ...others,
      {
        type: 'Terminating',
        status: 'True',
        reason: 'InstanceDeletionPending',
        message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
        lastTransitionTime: timestamp(ctx.now()),
      },
    ],
  };
}

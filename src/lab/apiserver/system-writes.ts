/** Writes that the server's own controllers make. They pass admission like anybody's; what is gone already is no error. */
import { type Call, systemCall } from './call.js';
import type { ApiContext } from './context.js';
import { deleteObject } from './delete.js';
import type { Obj } from './object.js';
import { ApiError } from './status.js';
import { updateObject } from './write.js';

function callFor(ctx: ApiContext, bucket: string, object: Obj): (Call & { name: string }) | undefined {
  const type = ctx.registry.ofBucket(bucket);
  if (type === undefined) return undefined;
  return systemCall(type, object, 'generic-garbage-collector', (text) =>
    ctx.logger.debug({ text }, 'a webhook warned'),
  );
}

async function unlessGone(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    // Gone, or another object of that name by now: what was wanted has happened.
    if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 409)) throw error;
  }
}

export async function systemDelete(
  ctx: ApiContext,
  bucket: string,
  object: Obj,
  propagationPolicy: string,
): Promise<void> {
  const call = callFor(ctx, bucket, object);
  if (call === undefined) return;
  const { uid } = object.metadata;
  await unlessGone(
    deleteObject(ctx, call, {
      propagationPolicy,
      preconditions: { uid },
      raw: { propagationPolicy, preconditions: { uid } },
    }),
  );
}

export async function dropFinalizer(ctx: ApiContext, bucket: string, object: Obj, finalizer: string): Promise<void> {
  await change(ctx, bucket, object, (metadata) => {
    metadata.finalizers = (metadata.finalizers ?? []).filter((name) => name !== finalizer);
    if (metadata.finalizers.length === 0) delete metadata.finalizers;
  });
}

export async function dropOwners(
  ctx: ApiContext,
  bucket: string,
  object: Obj,
  owners: ReadonlySet<string>,
): Promise<void> {
  await change(ctx, bucket, object, (metadata) => {
    metadata.ownerReferences = (metadata.ownerReferences ?? []).filter(({ uid }) => !owners.has(uid));
    if (metadata.ownerReferences.length === 0) delete metadata.ownerReferences;
  });
}

async function change(
  ctx: ApiContext,
  bucket: string,
  object: Obj,
  edit: (metadata: Obj['metadata']) => void,
): Promise<void> {
  const call = callFor(ctx, bucket, object);
  if (call === undefined) return;
  const next = (current: Obj) => {
    if (current.metadata.uid === object.metadata.uid) edit(current.metadata);
    return current;
  };
  await unlessGone(updateObject(ctx, call, { next }));
}

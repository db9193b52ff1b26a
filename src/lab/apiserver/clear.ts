/** Empties what is being deleted as a whole: a namespace, the objects of a definition. Called again whenever something went. */
import type { ApiContext } from './context.js';
import { definedBucket, definitionBucket } from './crd/definition.js';
import { definitionCleanup } from './finalizers.js';
import { clone, dictOf, listOf, type Obj } from './object.js';
import { dropFinalizer, systemDelete } from './system-writes.js';

/** Deletes what a leaving namespace holds; when nothing is left, takes its finalizer away. */
export async function clearNamespace(ctx: ApiContext, name: string): Promise<void> {
  const namespace = ctx.store.get('namespaces', name);
  if (namespace?.metadata.deletionTimestamp === undefined) return;
  const buckets = new Set(
    ctx.registry
      .all()
      .filter((type) => type.namespaced)
      .map(({ bucket }) => bucket),
  );
  for (const bucket of buckets) await deleteAll(ctx, bucket, ctx.store.list(bucket, name));
  const isEmpty = [...buckets].every((bucket) => ctx.store.list(bucket, name).length === 0);
  const held = ctx.store.get('namespaces', name);
  if (!isEmpty || held === undefined) return;
  const next = clone(held);
  const finalizers = listOf(dictOf(held['spec'])['finalizers']).filter((finalizer) => finalizer !== 'kubernetes');
  next['spec'] = finalizers.length === 0 ? {} : { finalizers };
  ctx.store.put('namespaces', next);
  if (finalizers.length === 0 && (next.metadata.finalizers ?? []).length === 0) ctx.store.remove('namespaces', name);
}

/** Deletes the objects of a leaving definition; when none is left, the definition goes. */
export async function clearDefinition(ctx: ApiContext, name: string): Promise<void> {
  const definition = ctx.store.get(definitionBucket, name);
  if (definition?.metadata.deletionTimestamp === undefined) return;
  const bucket = definedBucket(definition);
  const objects = ctx.store.list(bucket);
  // Each object that goes brings us back here, after its dependents: they are judged while its kind is still served.
  if (objects.length > 0) await deleteAll(ctx, bucket, objects);
  else await dropFinalizer(ctx, definitionBucket, definition, definitionCleanup);
}

async function deleteAll(ctx: ApiContext, bucket: string, objects: readonly Obj[]): Promise<void> {
  for (const object of objects) {
    if (object.metadata.deletionTimestamp === undefined) await systemDelete(ctx, bucket, object, 'Background');
  }
}

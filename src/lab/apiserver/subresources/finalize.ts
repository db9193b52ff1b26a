/** `namespaces/finalize`: the only way to change `spec.finalizers` of a namespace. */
import type { Call } from '../call.js';
import type { ApiContext } from '../context.js';
import { clone, dictOf, listOf, type Obj } from '../object.js';
import { badRequest, notFound } from '../status.js';

/** Replaces the finalizers; a deleted namespace whose last one this was goes. */
export async function finalizeNamespace(ctx: ApiContext, call: Call & { name: string }, body: unknown): Promise<Obj> {
  const held = ctx.store.get(call.type.bucket, call.name);
  if (held === undefined) throw notFound(call.type, call.name);
  const finalizers = dictOf(dictOf(body)['spec'])['finalizers'] ?? [];
  if (!Array.isArray(finalizers)) throw badRequest('spec.finalizers must be a list');
  const next = clone(held);
  next['spec'] = { ...dictOf(held['spec']), finalizers };
  if (call.dryRun) return next;
  const stored = ctx.store.put(call.type.bucket, next);
  const isLeaving = stored.metadata.deletionTimestamp !== undefined;
  if (!isLeaving || finalizers.length > 0 || listOf(stored.metadata.finalizers).length > 0) return stored;
  return ctx.store.remove(call.type.bucket, call.name) ?? stored;
}

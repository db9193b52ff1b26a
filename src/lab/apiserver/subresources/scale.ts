/** `scale` of custom resources: written as a Scale, or as a patch of one. */
import type { Call } from '../call.js';
import type { ApiContext } from '../context.js';
import { invalid } from '../field-error.js';
import { clone, dictOf, isDict, type Obj, textOf } from '../object.js';
import { applyPatchTo } from '../patch/apply-patch.js';
import { scaleOf, setReplicas } from '../scale-view.js';
import { badRequest, invalidObject, modified } from '../status.js';
import { updateObject } from '../write.js';

/** Writes the number of replicas, from a Scale or from a patch of one, and returns the Scale. */
export async function putScale(
  ctx: ApiContext,
  call: Call & { name: string },
  body: unknown,
  patchType: string | undefined,
): Promise<Obj> {
  const { type } = call;
  const updated = await updateObject(ctx, call, {
    next: async (object) => {
      const current = scaleOf(type, object);
      const scale = patchType === undefined ? body : await applyPatchTo(undefined, clone(current), patchType, body);
      return withReplicas(call, object, scale);
    },
  });
  return scaleOf(type, updated);
}

function withReplicas({ type, name = '' }: Call, object: Obj, scale: unknown): Obj {
  if (!isDict(scale)) throw badRequest('the body must be an autoscaling/v1 Scale');
  const asked = textOf(dictOf(scale['metadata'])['resourceVersion']);
  if (asked !== '' && asked !== object.metadata.resourceVersion) throw modified(type, name);
  const replicas = dictOf(scale['spec'])['replicas'] ?? 0;
  if (typeof replicas !== 'number' || !Number.isInteger(replicas)) throw badRequest('spec.replicas must be an integer');
  if (replicas < 0) {
    throw invalidObject({ group: 'autoscaling', plural: 'scales', kind: 'Scale' }, name, [
      invalid('spec.replicas', replicas, 'must be greater than or equal to 0'),
    ]);
  }
  setReplicas(type, object, replicas);
  return object;
}

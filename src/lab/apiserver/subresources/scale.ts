/** `scale` of custom resources: an `autoscaling/v1` Scale over the three paths that the definition names. */
import type { ApiContext, Call } from '../call.js';
import { invalid } from '../field-error.js';
import { at, clone, type Dict, dictOf, isDict, numberOf, type Obj, textOf } from '../object.js';
import { applyPatchTo } from '../patch/apply-patch.js';
import type { ResourceType } from '../resource-type.js';
import { badRequest, internal, invalidObject, modified } from '../status.js';
import { updateObject } from '../write.js';

export function getScale(type: ResourceType, object: Obj): Dict {
  const paths = type.scale;
  if (paths === undefined) throw internal(`${type.plural} has no scale`);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = paths.selector === undefined ? '' : textOf(at(object, ...paths.selector));
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: numberOf(at(object, ...paths.spec)) ?? 0 },
    status: {
      replicas: numberOf(at(object, ...paths.status)) ?? 0,
      ...(selector === '' ? {} : { selector }),
    },
  };
}

/** Writes the number of replicas, from a Scale or from a patch of one, and returns the Scale. */
export async function putScale(
  ctx: ApiContext,
  call: Call & { name: string },
  body: unknown,
  patchType: string | undefined,
): Promise<Dict> {
  const { type } = call;
  const updated = await updateObject(ctx, call, {
    next: async (object) => {
      const current = getScale(type, object);
      const scale = patchType === undefined ? body : await applyPatchTo(undefined, clone(current), patchType, body);
      return withReplicas(call, object, scale);
    },
  });
  return getScale(type, updated);
}

function withReplicas({ type, name = '' }: Call, object: Obj, scale: unknown): Obj {
  if (!isDict(scale)) throw badRequest('the body must be an autoscaling/v1 Scale');
  const asked = textOf(dictOf(scale['metadata'])['resourceVersion']);
  if (asked !== '' && asked !== object.metadata.resourceVersion) throw modified(type, name);
  const replicas = dictOf(scale['spec'])['replicas'] ?? 0;
  if (typeof replicas !== 'number' || !Number.isInteger(replicas)) throw badRequest('spec.replicas must be an integer');
  if (replicas < 0) {
    throw invalidObject({ group: 'autoscaling', plural: 'scales', kind: 'Scale' }, name, [
      invalid('spec.replicas', replicas, 'should be a non-negative integer'),
    ]);
  }
  setAt(object, type.scale?.spec ?? [], replicas);
  return object;
}

function setAt(object: Dict, path: readonly string[], value: unknown): void {
  const [last, ...parents] = [...path].reverse();
  let holder: Dict = object;
  for (const key of parents.reverse()) {
    const next = holder[key];
    const inner: Dict = isDict(next) ? next : {};
    holder[key] = inner;
    holder = inner;
  }
  if (last !== undefined) holder[last] = value;
}

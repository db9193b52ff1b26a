/** A custom resource as an `autoscaling/v1` Scale, over the three paths that its definition names. */
import { at, type Dict, isDict, numberOf, type Obj, textOf } from './object.js';
import type { ResourceType } from './resource-type.js';
import { internal } from './status.js';

export const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

export function scaleOf(type: ResourceType, object: Obj): Obj {
  const paths = type.scale;
  if (paths === undefined) throw internal(`${type.plural} has no scale`);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = paths.selector === undefined ? '' : textOf(at(object, ...paths.selector));
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      uid,
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
    },
    spec: { replicas: numberOf(at(object, ...paths.spec)) ?? 0 },
    status: {
      replicas: numberOf(at(object, ...paths.status)) ?? 0,
      ...(selector === '' ? {} : { selector }),
    },
  };
}

/** Writes the number of replicas into the object. */
export function setReplicas(type: ResourceType, object: Dict, replicas: number): void {
  const path = [...(type.scale?.spec ?? [])];
  const last = path.pop();
  let holder: Dict = object;
  for (const key of path) {
    const next = holder[key];
    const inner: Dict = isDict(next) ? next : {};
    holder[key] = inner;
    holder = inner;
  }
  if (last !== undefined) holder[last] = replicas;
}

import type { PodSpec } from '../../api/kube.js';
import type { ModelServing, PodTemplate, Role } from '../../api/types.js';
import { isObject } from '../../base/json.js';
import type { Profiles } from '../profiles/types.js';
import { type PodSurroundings, readPodSpec } from './pod.js';
import { countAt, listAt, objectAt, textAt } from './shape.js';
import type { PodReading, RoleReading, ServingReading } from './types.js';

/** Reads every role of a serving; a role of a wrong shape reads as one without an engine. */
export function readServing(serving: ModelServing, profiles: Profiles): ServingReading {
  const roles = listAt(objectAt(serving.spec, 'template'), 'roles');
  return { serving, profiles, roles: roles.map((role, index) => readRole(role, index, profiles)) };
}

/** The role at a position alone; undefined when there is none. */
export function readRoleAt(serving: ModelServing, index: number, profiles: Profiles): RoleReading | undefined {
  const roles = listAt(objectAt(serving.spec, 'template'), 'roles');
  return index < roles.length ? readRole(roles[index], index, profiles) : undefined;
}

/** Readings of all templates of a role. */
export const podsOf = ({ pod, worker }: RoleReading): PodReading[] => [pod, worker].filter((one) => one !== undefined);

function readRole(written: unknown, index: number, profiles: Profiles): RoleReading {
  const role = (isObject(written) ? written : {}) as unknown as Role;
  const path = `spec.template.roles[${index}]`;
  const name = textAt(role, 'name') ?? '';
  const workerReplicas = countAt(role, 'workerReplicas') ?? 0;
  const template = (objectAt(role, 'entryTemplate') ?? {}) as PodTemplate;
  const spec = objectAt(template, 'spec') as PodSpec | undefined;
  return {
    index,
    name,
    path,
    replicas: countAt(role, 'replicas') ?? 1,
    workerReplicas,
    template,
    pod: readPodSpec(spec, profiles, { path: `${path}.entryTemplate.spec`, role: name, workerReplicas }),
    ...readWorker(role, { path: `${path}.workerTemplate.spec`, role: name, workerReplicas, place: 'worker' }, profiles),
  };
}

/** A template that no pod is made from says nothing. */
function readWorker(
  role: Role,
  around: PodSurroundings,
  profiles: Profiles,
): Pick<RoleReading, 'worker' | 'workerTemplate'> {
  if ((around.workerReplicas ?? 0) === 0) return { workerTemplate: undefined, worker: undefined };
  const template = (objectAt(role, 'workerTemplate') ?? {}) as PodTemplate;
  const worker = readPodSpec(objectAt(template, 'spec') as PodSpec | undefined, profiles, around);
  return { workerTemplate: template, worker };
}

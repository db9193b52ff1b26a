import { volcano } from '../../api/names.js';
import type { ModelServing, PodTemplate, Role } from '../../api/types.js';
import { revisionHash, roleHash } from './canonical-role.js';
import { type ExpansionInputs, inputsOf } from './expansion-inputs.js';

export type RecoveryPolicy = 'ServingGroupRecreate' | 'RoleRecreate' | 'None';
export type RolloutType = 'ServingGroupRollingUpdate' | 'RoleRollingUpdate';

/** One role as the planner needs it: counts resolved, absent ones filled in. */
export interface RoleSpec {
  readonly name: string;
  readonly replicas: number;
  /** Worker pods beside the entry pod of each instance. */
  readonly workers: number;
  readonly entryTemplate: PodTemplate;
  readonly workerTemplate: PodTemplate | undefined;
  readonly hash: string;
  /** Instances per group that a rolling update of roles may take away at once; at least 1. */
  readonly maxUnavailable: number;
  /** The first so many instances keep their revision. */
  readonly partition: number;
}

/** A set of role templates with the name by which pods refer to it. */
export interface Revision {
  readonly name: string;
  readonly roles: readonly RoleSpec[];
  /** As the ModelServing has them: what a ControllerRevision stores. */
  readonly templates: readonly Role[];
  readonly inputs: ExpansionInputs;
}

export interface Desired {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** The ModelServing is being deleted: everything it owns is left to the garbage collector. */
  readonly deleting: boolean;
  readonly replicas: number;
  readonly schedulerName: string;
  readonly recoveryPolicy: RecoveryPolicy;
  readonly rolloutType: RolloutType;
  /** Milliseconds between a pod breaking and its deletion. */
  readonly restartGrace: number;
  /** Named by its own hash; `adoptRevision` may find another name for equal templates. */
  readonly revision: Revision;
  /** `status.currentRevision`: what partition-protected groups are built from. */
  readonly currentRevision: string | undefined;
  readonly serving: ModelServing;
}

/** How much of a serving may be away, or extra, during a rolling update of groups. */
export interface Budget {
  readonly maxUnavailable: number;
  readonly maxSurge: number;
  /** The first so many groups keep their revision. */
  readonly partition: number;
}

export function desiredOf(serving: ModelServing): Desired {
  const { metadata, spec, status } = serving;
  const { name = '', namespace = 'default', uid = '' } = metadata;
  const { roles, restartGracePeriodSeconds = 0 } = spec.template;
  const { replicas, schedulerName, recoveryPolicy, rolloutType } = withDefaults(spec);
  const inputs = inputsOf(serving);
  return {
    name,
    namespace,
    uid,
    deleting: metadata.deletionTimestamp !== undefined,
    replicas: Math.max(0, replicas),
    schedulerName,
    recoveryPolicy,
    rolloutType,
    restartGrace: Math.max(0, restartGracePeriodSeconds) * 1000,
    revision: revisionOf(revisionHash(roles, inputs), roles, inputs),
    currentRevision: status?.currentRevision,
    serving,
  };
}

/** The CRD's defaults, for objects that come from a file or from before the CRD had them. */
function withDefaults({
  replicas = 1,
  schedulerName = volcano.schedulerName,
  recoveryPolicy = 'RoleRecreate',
  rolloutStrategy,
}: ModelServing['spec']) {
  const rolloutType: RolloutType = rolloutStrategy?.type ?? 'ServingGroupRollingUpdate';
  return { replicas, schedulerName, recoveryPolicy, rolloutType };
}

export function revisionOf(name: string, templates: readonly Role[], inputs: ExpansionInputs): Revision {
  return { name, templates, inputs, roles: templates.map((role) => readRole(role, inputs)) };
}

export function budgetOf({ spec }: ModelServing): Budget {
  const { replicas = 1, rolloutStrategy } = spec;
  const byRole = rolloutStrategy?.type === 'RoleRollingUpdate';
  const configured = byRole ? undefined : rolloutStrategy?.rollingUpdateConfiguration;
  const { maxSurge: surge = 0, maxUnavailable: unavailable = 1, partition = 0 } = configured ?? {};
  const maxSurge = resolve(surge, replicas, Math.ceil);
  const maxUnavailable = resolve(unavailable, replicas, Math.floor);
  return {
    maxSurge,
    // With neither room below nor above nothing could ever move.
    maxUnavailable: maxSurge === 0 ? Math.max(1, maxUnavailable) : maxUnavailable,
    partition: resolve(partition, replicas, Math.ceil),
  };
}

function readRole(role: Role, inputs: ExpansionInputs): RoleSpec {
  const { name, entryTemplate, workerTemplate, workerReplicas = 0, replicas = 1 } = role;
  return {
    name,
    replicas: Math.max(0, replicas),
    workers: Math.max(0, workerReplicas),
    entryTemplate,
    workerTemplate,
    hash: roleHash(role, inputs),
    maxUnavailable: Math.max(1, resolve(role.maxUnavailable ?? 1, replicas, Math.floor)),
    partition: resolve(role.partition ?? 0, replicas, Math.ceil),
  };
}

/** An integer or a percentage of `total`; unreadable text counts as 0. */
function resolve(value: number | string, total: number, round: (value: number) => number): number {
  const percent = /^(\d{1,3})%$/.exec(String(value))?.[1];
  const count = percent === undefined ? Number(value) : round((Number(percent) * total) / 100);
  return Number.isFinite(count) ? Math.max(0, count) : 0;
}

/** The status of a ModelServing, from what is observed: counts, revisions, conditions, and counts per role. */
import type { Condition } from '../../api/kube.js';
import { groupName, labels } from '../../api/names.js';
import type { ModelServing, ModelServingStatus } from '../../api/types.js';
import type { Budget, Desired } from './desired.js';
import { arrange, type Group, isLive, type World } from './groups.js';
import type { Observed, PodFact } from './observed.js';
import { readRevisions } from './revisions.js';
import { unprotected } from './scale.js';

/** What the last round could not do; undefined when nothing was refused. */
export type Refusal = { readonly reason: string; readonly message: string } | undefined;

export function statusOf(
  observed: Observed,
  desired: Desired,
  options: { readonly budget: Budget; readonly refusal: Refusal },
): ModelServingStatus {
  const world: World = { observed, desired, revisions: readRevisions(observed, desired) };
  const groups = arrange(world, observed.pods);
  const live = groups.filter(isLive);
  const updated = live.filter((group) => !group.outdated);
  const available = live.filter((group) => group.available || isOnlyGrowing(group, world));
  const updateRevision = world.revisions.desired.name;
  const converged = updated.length === groups.length && options.budget.partition === 0;
  return {
    observedGeneration: desired.serving.metadata.generation ?? 0,
    replicas: groups.length,
    currentReplicas: converged ? updated.length : live.length - updated.length,
    updatedReplicas: updated.length,
    availableReplicas: available.length,
    currentRevision: currentRevisionOf(world, live, options.budget),
    updateRevision,
    labelSelector: labelSelectorOf(desired),
    roles: rolesOf(world, groups),
    conditions: conditionsOf(world, { groups, available, ...options }),
  };
}

/**
 * A group that only waits for role instances added by a scale-up still serves: it was available before, has a ready
 * instance of each role, and nothing of it broke or ended.
 */
function isOnlyGrowing(group: Group, { observed, desired }: World): boolean {
  const { status } = desired.serving;
  const wasAvailable = status?.conditions?.some(({ type, status: is }) => type === 'Available' && is === 'True');
  if (wasAvailable !== true || group.outdated) return false;
  const name = groupName(desired.name, group.ordinal);
  const lost = observed.losses.some((loss) => loss.group === name);
  const calm = group.pods.every((pod) => !pod.terminating && pod.brokenSince === undefined);
  const serves = group.roles.every(({ name: role, replicas }) => replicas === 0 || hasReady(group, role));
  return calm && serves && !lost && grew(group, status);
}

const hasReady = (group: Group, role: string): boolean =>
  group.instances.some((instance) => instance.role === role && instance.ready);

/** More instances are wanted than the last status counted as ready over all groups, and none of those was lost. */
function grew(group: Group, status: ModelServingStatus | undefined): boolean {
  const before = new Map(status?.roles?.map((role) => [role.name, role]));
  const groups = Math.max(1, status?.replicas ?? 1);
  return group.roles.every(({ name }) => {
    const ready = group.instances.filter((instance) => instance.role === name && instance.ready).length;
    return ready >= Math.floor((before.get(name)?.readyReplicas ?? 0) / groups);
  });
}

/** Kept while pods of it are left or something that it protects is missing, so that this comes back from it. */
function currentRevisionOf({ desired, revisions }: World, live: readonly Group[], budget: Budget): string {
  const { currentRevision } = desired;
  const updateRevision = revisions.desired.name;
  if (currentRevision !== undefined && lacksProtected(live, desired, budget)) return currentRevision;
  const old = live.filter((group) => group.outdated).flatMap((group) => group.live.map((pod) => pod.revision));
  const names = old.filter((name) => name !== undefined && name !== updateRevision);
  if (names.length === 0) return updateRevision;
  if (currentRevision !== undefined && names.includes(currentRevision)) return currentRevision;
  return mostCommon(names as string[]);
}

/** A pod that is lost takes a while to end, and only then is made again. */
function lacksProtected(live: readonly Group[], { replicas, rolloutType }: Desired, { partition }: Budget): boolean {
  if (below(live, partition) < Math.min(partition, replicas)) return true;
  if (rolloutType !== 'RoleRollingUpdate') return false;
  return live.some(({ roles, instances }) =>
    roles.some((role) => {
      const there = instances.filter((instance) => instance.role === role.name && isLive(instance));
      return below(there, role.partition) < Math.min(role.partition, role.replicas);
    }),
  );
}

const below = (there: readonly { readonly ordinal: number }[], limit: number): number =>
  there.filter(({ ordinal }) => ordinal < limit).length;

function mostCommon(names: readonly string[]): string {
  const count = (name: string) => names.filter((other) => other === name).length;
  return [...names].sort((a, b) => count(b) - count(a) || (a < b ? -1 : 1))[0] ?? '';
}

/** One pod per group, so that averages of an autoscaler are per group. The order is Kthena's. */
function labelSelectorOf({ name, revision }: Desired): string {
  const role = revision.roles[0]?.name ?? '';
  return [
    `${labels.entry}=true`,
    `${labels.name}=${name}`,
    `${labels.roleId}=${role}-0`,
    `${labels.role}=${role}`,
  ].join(',');
}

function rolesOf({ revisions }: World, groups: readonly Group[]): NonNullable<ModelServingStatus['roles']> {
  return revisions.desired.roles.map(({ name }) => {
    const instances = groups.flatMap((group) => group.instances.filter(({ role }) => role === name));
    return {
      name,
      replicas: instances.length,
      readyReplicas: instances.filter(({ ready }) => ready).length,
      updatedReplicas: instances.filter((one) => !one.outdated && isLive(one)).length,
    };
  });
}

interface Situation {
  readonly groups: readonly Group[];
  readonly available: readonly Group[];
  readonly budget: Budget;
  readonly refusal: Refusal;
}

function conditionsOf(world: World, situation: Situation): NonNullable<ModelServingStatus['conditions']> {
  const { desired, observed } = world;
  const { groups, available, budget, refusal } = situation;
  const outdated = unprotected(groups, budget).filter((group) => group.outdated && isLive(group));
  const busy = groups.filter((group) => !available.includes(group));
  const settled = busy.length === 0 && available.length >= desired.replicas;
  const updating = outdated.length > 0;
  const why = settled ? 'All Serving groups are ready' : explain(world, busy);
  const build = (type: string, on: boolean, reason: string, message: string): Fresh => ({
    type,
    status: on ? 'True' : 'False',
    reason,
    message,
  });
  const fresh: Fresh[] = [
    build('Available', settled, settled ? 'AllGroupsReady' : 'GroupsNotReady', why),
    build('Progressing', !settled && !updating, settled ? 'AllGroupsReady' : 'GroupProgressing', why),
    build(
      'UpdateInProgress',
      updating,
      updating ? 'GroupsUpdating' : 'NoOutdatedGroups',
      updatingText(desired, outdated),
    ),
    ...(refusal === undefined ? [] : [build('ReplicaFailure', true, refusal.reason, refusal.message)]),
  ];
  return fresh.map((condition) => withTime(condition, desired.serving, observed.now));
}

type Fresh = Pick<Condition, 'type' | 'status'> & { status: 'True' | 'False'; reason: string; message: string };

/** The time moves only when the status of the condition does. */
function withTime(condition: Fresh, { metadata, status }: ModelServing, now: number) {
  const before = status?.conditions?.find(({ type }) => type === condition.type);
  const kept = before?.status === condition.status ? before.lastTransitionTime : undefined;
  return {
    ...condition,
    lastTransitionTime: kept ?? new Date(now).toISOString().replace(/\.\d+Z$/, 'Z'),
    observedGeneration: metadata.generation ?? 0,
  };
}

function updatingText({ name }: Desired, outdated: readonly Group[]): string {
  return outdated.length === 0 ? 'No serving group is outdated' : `Outdated serving groups: ${namesOf(name, outdated)}`;
}

function explain({ desired }: World, busy: readonly Group[]): string {
  if (busy.length === 0) return `Fewer than ${desired.replicas} serving groups exist`;
  const first = busy.slice(0, 5).map((group) => {
    const ready = group.live.filter((pod: PodFact) => pod.ready).length;
    const wanted = group.roles.reduce((sum, role) => sum + role.replicas * (1 + role.workers), 0);
    return `${groupName(desired.name, group.ordinal)} (${ready} of ${wanted} pods ready)`;
  });
  const more = busy.length > first.length ? ` and ${busy.length - first.length} more` : '';
  return `Serving groups not ready: ${first.join(', ')}${more}`;
}

const namesOf = (serving: string, groups: readonly Group[]): string =>
  groups.map(({ ordinal }) => groupName(serving, ordinal)).join(', ');

/** What is deleted because fewer are wanted: whole groups, whole role instances, pods that no template has. */
import type { Budget, RoleSpec } from './desired.js';
import { type Group, type Instance, isLive, type World } from './groups.js';
import type { PodFact } from './observed.js';
import { deletePods } from './recover.js';
import type { DeletePod } from './step.js';
import { chooseVictims } from './victims.js';

/** Groups wanted at this moment: during a rolling update up to `maxSurge` more, while outdated ones are left. */
export function groupsWanted({ desired }: World, groups: readonly Group[], budget: Budget): number {
  const outdated = unprotected(groups, budget).filter((group) => group.outdated && isLive(group)).length;
  return desired.replicas + Math.min(budget.maxSurge, outdated);
}

/** The groups that a rolling update may replace: all but the first `partition`, by ordinal. */
export const unprotected = (groups: readonly Group[], { partition }: Budget): readonly Group[] =>
  groups.slice(partition);

/** Groups that are on their way out count as chosen already. */
export function retireGroups(world: World, groups: readonly Group[], budget: Budget): DeletePod[] {
  const live = groups.filter(isLive);
  const excess = live.length - groupsWanted(world, groups, budget);
  const candidates = live.map((group) => ({ ...group, serves: group.available, cost: costOf(group.pods) }));
  return chooseVictims(candidates, excess, budget.partition).flatMap((group) => deletePods(group.pods, 'scale-down'));
}

export function retireInstances(world: World, groups: readonly Group[]): DeletePod[] {
  return groups.flatMap((group) => [
    ...group.roles.flatMap((role) => excessInstances(world, group, role)),
    ...deletePods(strangers(group), 'not-in-template'),
  ]);
}

function excessInstances({ desired }: World, group: Group, role: RoleSpec): DeletePod[] {
  const live = group.instances.filter((instance) => instance.role === role.name && isLive(instance));
  const candidates = live.map((instance) => ({ ...instance, serves: instance.ready, cost: costOf(instance.pods) }));
  const shielded = desired.rolloutType === 'RoleRollingUpdate' ? role.partition : 0;
  return chooseVictims<Instance & { serves: boolean; cost: number }>(
    candidates,
    live.length - role.replicas,
    shielded,
  ).flatMap((instance) => deletePods(instance.pods, 'scale-down'));
}

/** Pods of roles or worker indexes that the group's own templates do not have. */
function strangers({ live, roles, outdated, revision }: Group): PodFact[] {
  return live.filter(({ slot, revision: name }) => {
    // The templates of an outdated pod whose revision is lost are unknown: it goes with its group or instance.
    if (outdated && name !== revision.name) return !roles.some((role) => role.name === slot.role);
    const role = roles.find((one) => one.name === slot.role);
    return role === undefined || slot.index > role.workers;
  });
}

const costOf = (pods: readonly PodFact[]): number => pods.reduce((sum, { cost }) => sum + cost, 0);

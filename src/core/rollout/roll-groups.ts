import type { Budget } from './desired.js';
import { type Group, isLive, type World } from './groups.js';
import { deletePods } from './recover.js';
import { unprotected } from './scale.js';
import type { DeletePod } from './step.js';
import { chooseVictims } from './victims.js';

/**
 * ServingGroupRollingUpdate: outdated groups are deleted whole, as many as leave `replicas - maxUnavailable` others, of
 * which those that are new and not yet available count as missing. Their ordinals are then filled from the new revision.
 */
export function rollGroups({ desired }: World, groups: readonly Group[], budget: Budget): DeletePod[] {
  const live = groups.filter(isLive);
  const outdated = unprotected(groups, budget).filter((group) => group.outdated && isLive(group));
  const starting = live.filter((group) => !group.outdated && !group.available).length;
  const room = live.length - (desired.replicas - budget.maxUnavailable) - starting;
  const candidates = outdated.map((group) => ({ ...group, serves: group.available, cost: 0 }));
  return chooseVictims(candidates, room).flatMap((group) => deletePods(group.pods, 'outdated'));
}

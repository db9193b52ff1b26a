import type { Budget, RoleSpec } from './desired.js';
import { type Group, isLive, type World } from './groups.js';
import { byOrdinal } from './order.js';
import { deletePods } from './recover.js';
import type { DeletePod } from './step.js';
import { chooseVictims } from './victims.js';

/**
 * RoleRollingUpdate: inside a group outdated role instances are replaced, each role within its own `maxUnavailable`;
 * other roles keep their pods. At most `budget.maxUnavailable` groups are disturbed at once.
 */
export function rollRoles({ desired }: World, groups: readonly Group[], budget: Budget): DeletePod[] {
  const live = groups.filter(isLive);
  const available = groups.filter((group) => group.available).length;
  const disturbed = Math.max(desired.replicas, groups.length) - available; // a group of which nothing is left counts too
  const candidates = live
    .filter((group) => group.roles.some((role) => outdatedInstances(group, role).length > 0))
    .map((group) => ({ ...group, serves: group.available, cost: 0 }));
  const calm = candidates.filter(({ serves }) => serves);
  // A group that is disturbed anyway goes on; a calm one only starts when there is room for one more.
  const room = budget.maxUnavailable - disturbed;
  return [...candidates.filter(({ serves }) => !serves), ...chooseVictims(calm, room)].flatMap((group) =>
    group.roles.flatMap((role) => rollRole(group, role)),
  );
}

function rollRole(group: Group, role: RoleSpec): DeletePod[] {
  const live = group.instances.filter((instance) => instance.role === role.name && isLive(instance));
  const starting = live.filter((instance) => !instance.outdated && !instance.ready).length;
  const room = live.length - Math.max(0, role.replicas - role.maxUnavailable) - starting;
  const candidates = outdatedInstances(group, role).map((one) => ({ ...one, serves: one.ready, cost: 0 }));
  return chooseVictims(candidates, room).flatMap((instance) => deletePods(instance.pods, 'outdated'));
}

/** Without the first `partition` instances of the role. */
function outdatedInstances(group: Group, role: RoleSpec) {
  return group.instances
    .filter((instance) => instance.role === role.name)
    .sort(byOrdinal)
    .slice(role.partition)
    .filter((instance) => instance.outdated && isLive(instance));
}

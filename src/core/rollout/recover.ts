/** What is deleted because something broke. What is missing afterwards, `fill` creates. */
import { type Group, isLive, isVanishing, type World } from './groups.js';
import { groupOf, instanceOf, type PodFact } from './observed.js';
import type { DeletePod, DeletionReason, Step } from './step.js';

export const deletePods = (pods: readonly PodFact[], because: DeletionReason): DeletePod[] =>
  pods.filter((pod) => !pod.terminating).map(({ name, uid }) => ({ do: 'delete-pod', name, uid, because }));

/** Broken pods whose grace is over, under every policy. */
export function deleteBroken(world: World, groups: readonly Group[]): DeletePod[] {
  const { now } = world.observed;
  return deletePods(
    brokenPods(world, groups).flatMap(({ pod, due }) => (due <= now ? [pod] : [])),
    'broken',
  );
}

/** When the grace of the other broken pods is over. */
export function awaitGrace(world: World, groups: readonly Group[]): Step[] {
  return brokenPods(world, groups)
    .filter(({ due }) => due > world.observed.now)
    .map(({ pod, due }) => ({ do: 'wait', for: `pod ${pod.name} to become ready again`, until: due }));
}

function brokenPods({ desired }: World, groups: readonly Group[]): { pod: PodFact; due: number }[] {
  return groups.flatMap(({ live }) =>
    live.flatMap((pod) =>
      pod.brokenSince === undefined ? [] : [{ pod, due: pod.brokenSince + desired.restartGrace }],
    ),
  );
}

/** A group or role instance that lost a pod is deleted whole, as the policy says: its engines cannot go on with a stranger. */
export function deleteBereaved(world: World, groups: readonly Group[]): DeletePod[] {
  switch (world.desired.recoveryPolicy) {
    case 'None':
      return [];
    case 'RoleRecreate':
      return groups.flatMap((group) => deletePods(bereavedOfInstance(world, group), 'peer-lost'));
    case 'ServingGroupRecreate':
      return groups.flatMap((group) => deletePods(bereavedOfGroup(world, group), 'peer-lost'));
  }
}

function bereavedOfInstance({ observed }: World, { instances, live }: Group): PodFact[] {
  const partlyGone = instances
    .filter((instance) => isLive(instance) && instance.live.length < instance.pods.length)
    .flatMap((instance) => instance.live);
  const survivors = observed.losses.flatMap((loss) =>
    live.filter(
      ({ slot, uid }) => groupOf(slot) === loss.group && instanceOf(slot) === loss.roleId && loss.survivors.has(uid),
    ),
  );
  return unique([...partlyGone, ...survivors]);
}

function bereavedOfGroup({ observed }: World, group: Group): PodFact[] {
  const lost = group.instances.filter(({ pods }) =>
    pods.some(({ terminating, uid }) => terminating && !observed.dismissed.has(uid)),
  );
  // An instance that ends while its role still has enough others was scaled away, perhaps before a restart of this process.
  if (lost.some(({ role }) => isShort(group, role))) return [...group.live];
  return group.live.filter(({ slot, uid }) =>
    observed.losses.some((loss) => loss.group === groupOf(slot) && loss.survivors.has(uid)),
  );
}

function isShort({ instances, roles }: Group, role: string): boolean {
  const wanted = roles.find(({ name }) => name === role)?.replicas ?? 0;
  const whole = instances.filter(
    (instance) => instance.role === role && !isVanishing(instance) && instance.live.length === instance.pods.length,
  );
  return whole.length < wanted;
}

const unique = (pods: readonly PodFact[]): PodFact[] => [...new Set(pods)];

/** What is created because it is missing: lowest free ordinals first, in the order of the roles. */
import type { Slot } from '../../api/names.js';
import type { Budget, Revision, RoleSpec } from './desired.js';
import { type Group, type Instance, isLive, isVanishing, type World, withCounts } from './groups.js';
import { lowestFree } from './order.js';
import { groupsWanted } from './scale.js';

/** One role instance that should exist, with the templates that its missing pods are built from. */
export interface Place {
  readonly group: number;
  readonly role: RoleSpec;
  readonly instance: number;
  readonly revision: Revision;
  /** Names of pods that are there, on their way out included. */
  readonly held: ReadonlySet<number>;
}

/**
 * A number in a manifest may ask for more pods than there is memory to plan. So many are planned at once, and the next
 * ones when these are there.
 */
const mostAtOnce = 5_000;

/** Every instance that should exist after the deletions, of live and of new groups, until enough pods are missing. */
export function places(world: World, groups: readonly Group[], budget: Budget): Place[] {
  const missing = groupsWanted(world, groups, budget) - groups.length;
  const fresh = lowestFree(
    groups.map(({ ordinal }) => ordinal),
    Math.min(missing, mostAtOnce),
  ).map((ordinal) => newGroup(world, ordinal, budget));
  const wanted: Place[] = [];
  let slots = 0;
  for (const group of [...groups.filter(isLive), ...fresh]) {
    for (const place of group.roles.flatMap((role) => placesOfRole(world, group, role))) {
      if (slots >= mostAtOnce) return wanted;
      wanted.push(place);
      slots += missingIn(place);
    }
  }
  return wanted;
}

const missingIn = ({ role, held }: Place): number =>
  role.workers + 1 - [...held].filter((index) => index <= role.workers).length;

export const missingSlots = (serving: string, place: Place): Slot[] =>
  lowestFree(place.held, Math.min(missingIn(place), mostAtOnce)).map((index) => ({
    serving,
    group: place.group,
    role: place.role.name,
    instance: place.instance,
    index,
  }));

type Outline = Pick<Group, 'ordinal' | 'roles' | 'revision' | 'instances'>;

/** A protected ordinal comes back from the revision it had. */
function newGroup({ desired, revisions }: World, ordinal: number, { partition }: Budget): Outline {
  const old = ordinal < partition ? revisions.named(desired.currentRevision) : undefined;
  const revision = old ?? revisions.desired;
  return { ordinal, revision, roles: withCounts(revision, revisions.desired), instances: [] };
}

function placesOfRole(world: World, group: Outline, role: RoleSpec): Place[] {
  const existing = group.instances.filter((instance) => instance.role === role.name);
  const free = lowestFree(
    existing.map(({ ordinal }) => ordinal),
    Math.min(role.replicas - existing.length, mostAtOnce),
  );
  const kept = existing.filter((instance) => !isVanishing(instance));
  return [...kept, ...free.map((ordinal) => ({ ordinal, pods: [], outdated: false }))].map((instance) => ({
    group: group.ordinal,
    instance: instance.ordinal,
    held: new Set(instance.pods.map(({ slot }) => slot.index)),
    ...templateFor(world, group, role, instance),
  }));
}

/** Under RoleRollingUpdate a protected or not yet replaced instance is completed from the revision it has. */
function templateFor(
  { desired, revisions }: World,
  group: Outline,
  role: RoleSpec,
  instance: Pick<Instance, 'ordinal' | 'pods' | 'outdated'>,
): { revision: Revision; role: RoleSpec } {
  if (desired.rolloutType !== 'RoleRollingUpdate') return { revision: group.revision, role };
  const isProtected = instance.pods.length === 0 && instance.ordinal < role.partition;
  const name = instance.outdated ? instance.pods[0]?.revision : isProtected ? desired.currentRevision : undefined;
  const revision = revisions.named(name);
  const own = revision && withCounts(revision, revisions.desired).find((one) => one.name === role.name);
  return revision && own ? { revision, role: own } : { revision: group.revision, role };
}

/** Pods arranged as serving groups, roles and instances: the view on which every decision is taken. */
import type { Desired, Revision, RoleSpec } from './desired.js';
import type { Observed, PodFact } from './observed.js';
import { groupBy } from './order.js';
import type { Revisions } from './revisions.js';
import type { DeletePod } from './step.js';

export interface Instance {
  readonly group: number;
  readonly role: string;
  readonly ordinal: number;
  readonly pods: readonly PodFact[];
  readonly live: readonly PodFact[];
  /** All pods of its template are there and ready, and none is on its way out. */
  readonly ready: boolean;
  readonly outdated: boolean;
}

export interface Group {
  readonly ordinal: number;
  readonly pods: readonly PodFact[];
  readonly live: readonly PodFact[];
  readonly instances: readonly Instance[];
  /** What missing pods of this group are built from: an outdated group keeps its own templates until it is replaced. */
  readonly revision: Revision;
  /** Roles of `revision` with the counts of the spec, which apply to all groups at once. */
  readonly roles: readonly RoleSpec[];
  readonly outdated: boolean;
  /** Every role has its wanted number of ready instances. */
  readonly available: boolean;
}

export interface World {
  readonly observed: Observed;
  readonly desired: Desired;
  readonly revisions: Revisions;
}

export function arrange(world: World, pods: readonly PodFact[]): Group[] {
  return [...groupBy(pods, ({ slot }) => slot.group)]
    .sort(([a], [b]) => a - b)
    .map(([ordinal, members]) => arrangeGroup(world, ordinal, members));
}

/** The same pods after the deletions: deleted ones are on their way out. */
export function afterDeleting(pods: readonly PodFact[], deletions: readonly DeletePod[]): PodFact[] {
  const gone = new Set(deletions.map(({ uid }) => uid));
  return pods.map((pod) =>
    gone.has(pod.uid) ? { ...pod, terminating: true, ready: false, brokenSince: undefined } : pod,
  );
}

/** Nothing of it is left but pods on their way out; its ordinal stays taken until they are gone. */
export const isVanishing = ({ live }: Group | Instance): boolean => live.length === 0;
export const isLive = ({ live }: Group | Instance): boolean => live.length > 0;

/** The role templates of a revision with the counts of the current spec. */
export function withCounts(revision: Revision, spec: Revision): RoleSpec[] {
  return revision.roles.map((role) => {
    const wanted = spec.roles.find(({ name }) => name === role.name);
    if (wanted === undefined) return role;
    const { replicas, partition, maxUnavailable } = wanted;
    return { ...role, replicas, partition, maxUnavailable };
  });
}

function arrangeGroup(world: World, ordinal: number, pods: readonly PodFact[]): Group {
  const { desired, revisions } = world;
  const live = pods.filter((pod) => !pod.terminating);
  const byRole = desired.rolloutType === 'RoleRollingUpdate';
  const old = live.filter((pod) => !(byRole ? revisions.hasDesiredRole(pod) : revisions.isDesired(pod)));
  const revision = (byRole ? undefined : ownRevision(old, revisions)) ?? revisions.desired;
  const roles = withCounts(revision, revisions.desired);
  const instances = arrangeInstances(world, { ordinal, pods, roles });
  return {
    ordinal,
    pods,
    live,
    instances,
    revision,
    roles,
    outdated: old.length > 0,
    available: roles.every((role) => readyOf(instances, role.name) >= role.replicas) && live.length > 0,
  };
}

const readyOf = (instances: readonly Instance[], role: string): number =>
  instances.filter((instance) => instance.role === role && instance.ready).length;

/** The known revision of the most outdated pods. */
function ownRevision(old: readonly PodFact[], revisions: Revisions): Revision | undefined {
  const counts = new Map<string, number>();
  for (const { revision = '' } of old) counts.set(revision, (counts.get(revision) ?? 0) + 1);
  return [...counts]
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .map(([name]) => revisions.named(name))
    .find((revision) => revision !== undefined);
}

function arrangeInstances(
  { revisions }: World,
  group: { ordinal: number; pods: readonly PodFact[]; roles: readonly RoleSpec[] },
): Instance[] {
  const sizes = new Map(group.roles.map((role) => [role.name, role.workers + 1]));
  return [...groupBy(group.pods, ({ slot }) => `${slot.role}/${slot.instance}`).values()].flatMap((pods) => {
    const [first] = pods;
    if (first === undefined) return [];
    const { role, instance } = first.slot;
    const live = pods.filter((pod) => !pod.terminating);
    const size = sizes.get(role) ?? live.length;
    const whole = live.length === pods.length && live.filter(({ slot }) => slot.index < size).length === size;
    return {
      group: group.ordinal,
      role,
      ordinal: instance,
      pods,
      live,
      ready: whole && live.every((pod) => pod.ready),
      outdated: live.some((pod) => !revisions.hasDesiredRole(pod)),
    };
  });
}

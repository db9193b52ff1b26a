import { groupName, podName } from '../../api/names.js';
import { canonicalJson } from '../../base/json.js';
import { buildPodGroupSpec, isGang, type PodGroupSupport } from './build-pod-group.js';
import type { Budget, Desired, Revision } from './desired.js';
import { missingSlots, type Place, places } from './fill.js';
import { afterDeleting, arrange, type Group, type World } from './groups.js';
import type { Observed, PodFact } from './observed.js';
import { awaitGrace, deleteBereaved, deleteBroken } from './recover.js';
import { planRevisions, readRevisions } from './revisions.js';
import { rollGroups } from './roll-groups.js';
import { rollRoles } from './roll-roles.js';
import { retireGroups, retireInstances } from './scale.js';
import type { DeletePod, Step } from './step.js';

export interface PlanOptions {
  readonly budget: Budget;
  /** Whether PodGroups are made, and what the installed kind understands. */
  readonly podGroups: PodGroupSupport;
}

/** Next steps toward the spec. Equal input, equal output; an empty list means converged. */
export function planRollout(observed: Observed, desired: Desired, options: PlanOptions): readonly Step[] {
  if (desired.deleting) return [];
  const world: World = { observed, desired, revisions: readRevisions(observed, desired) };
  const { deletions, groups } = planDeletions(world, options.budget);
  const wanted = places(world, groups, options.budget);
  return [
    ...planRevisions(observed, desired, world.revisions),
    ...observed.orphans.map(({ kind, name, uid }): Step => ({ do: 'adopt', kind, name, uid })),
    ...planPodGroups(world, groups, wanted, options.podGroups),
    ...deletions,
    ...planPods(world, wanted),
    ...planServices(world, groups, wanted),
    ...awaitGrace(world, groups),
  ];
}

/** Each decision sees the pods as the decisions before it leave them. */
function planDeletions(world: World, budget: Budget): { deletions: DeletePod[]; groups: Group[] } {
  const roll = world.desired.rolloutType === 'RoleRollingUpdate' ? rollRoles : rollGroups;
  let pods: readonly PodFact[] = world.observed.pods;
  const deletions: DeletePod[] = [];
  for (const decide of [deleteBereaved, deleteBroken, retireGroups, retireInstances, roll]) {
    const next = decide(world, arrange(world, pods), budget);
    deletions.push(...next);
    pods = afterDeleting(pods, next);
  }
  return { deletions, groups: arrange(world, pods) };
}

function planPods({ observed, desired }: World, wanted: readonly Place[]): Step[] {
  return wanted.flatMap((place) =>
    missingSlots(desired.name, place).map((slot): Step => {
      const name = podName(slot);
      const holder = observed.taken.get(`pod/${name}`);
      if (holder === undefined) return { do: 'create-pod', slot, revision: place.revision };
      return {
        do: 'report',
        reason: 'NameTaken',
        message: `pod ${name} belongs to ${holder}; delete it or rename one`,
      };
    }),
  );
}

/** Services outlive their pods: workers that drain still need the entry's address. */
function planServices({ observed, desired }: World, groups: readonly Group[], wanted: readonly Place[]): Step[] {
  const there = new Set(observed.services.map(({ name }) => name));
  const entry = ({ group, role, instance }: Place) => ({
    serving: desired.name,
    group,
    role: role.name,
    instance,
    index: 0,
  });
  const needed = wanted.filter(({ role }) => role.workerTemplate !== undefined).map(entry);
  const used = new Set([
    ...needed.map(podName),
    ...groups.flatMap(({ pods }) => pods.map(({ slot }) => podName({ ...slot, index: 0 }))),
  ]);
  const create = needed.filter((slot) => !there.has(podName(slot)) && !observed.taken.has(`service/${podName(slot)}`));
  return [
    ...create.map((slot): Step => ({ do: 'create-service', slot })),
    ...observed.services
      .filter(({ name, terminating }) => !used.has(name) && !terminating)
      .map(({ name, uid }): Step => ({ do: 'delete-service', name, uid })),
  ];
}

function planPodGroups(
  world: World,
  groups: readonly Group[],
  wanted: readonly Place[],
  support: PodGroupSupport,
): Step[] {
  const { observed, desired } = world;
  if (support === 'absent') return [];
  const revisions = new Map(wanted.map(({ group, revision }) => [group, revision]));
  const steps = isGang(support) ? [...revisions].flatMap((entry) => keepPodGroup(world, entry, support)) : [];
  const ordinals = [...groups.map(({ ordinal }) => ordinal), ...revisions.keys()];
  const kept = new Set(ordinals.map((ordinal) => groupName(desired.name, ordinal)));
  const leftover = observed.podGroups.filter(({ name, terminating }) => !kept.has(name) && !terminating);
  return [...steps, ...leftover.map(({ name, uid }): Step => ({ do: 'delete-pod-group', name, uid }))];
}

function keepPodGroup(
  { observed, desired }: World,
  [group, revision]: readonly [number, Revision],
  support: { readonly subGroups: boolean },
): Step[] {
  const current = observed.podGroups.find(({ name }) => name === groupName(desired.name, group));
  if (current === undefined) return [{ do: 'create-pod-group', group, revision }];
  const spec = buildPodGroupSpec(desired, revision, support);
  return agrees(current.spec, spec) ? [] : [{ do: 'update-pod-group', group, revision }];
}

/** Only the fields that we write are ours to compare. */
function agrees(current: Readonly<Record<string, unknown>>, wanted: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(wanted).every(([field, value]) => canonicalJson(current[field]) === canonicalJson(value));
}

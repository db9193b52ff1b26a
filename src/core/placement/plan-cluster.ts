import type { GroupKey, Member } from './group.js';
import { type GroupPlan, planGroup } from './plan.js';
import { type Amounts, nothing, plus } from './resources.js';
import { Room } from './room.js';
import type { Terrain } from './terrain.js';

export interface Group {
  readonly key: GroupKey;
  readonly members: readonly Member[];
  /** When its oldest pod was made, RFC 3339; empty when no pod of it exists yet. */
  readonly since: string;
}

export interface ClusterPlan {
  readonly plans: ReadonlyMap<GroupKey, GroupPlan>;
  /** By node: what the groups are meant to take there and have not taken yet. */
  readonly held: ReadonlyMap<string, readonly { readonly group: GroupKey; readonly request: Amounts }[]>;
}

/** Groups planned ahead at most: what lies beyond finds its place when its turn comes nearer. */
const planAhead = 256;

/**
 * Plans all groups that still have open slots, one after the other in the room that the earlier ones leave: groups that
 * have begun first, then the oldest. So two groups that arrive together are not both led to the last room. It ends early,
 * with fewer plans, when `isLate` says so.
 */
export function planCluster(
  groups: readonly Group[],
  terrain: Terrain,
  isLate: () => boolean = () => false,
): ClusterPlan {
  const room = new Room(terrain.byName);
  const plans = new Map<GroupKey, GroupPlan>();
  const held = new Map<string, { group: GroupKey; request: Amounts }[]>();
  for (const { key, members } of groups.filter(hasOpenSlot).sort(inTurn).slice(0, planAhead)) {
    if (isLate()) break;
    const plan = planGroup({ members, terrain, room });
    plans.set(key, plan);
    for (const { name, node, request } of members) {
      const meant = node === undefined ? plan.nodes.get(name) : undefined;
      if (meant === undefined) continue;
      room.take(meant, request);
      held.set(meant, [...(held.get(meant) ?? []), { group: key, request }]);
    }
  }
  return { plans, held };
}

/** What other groups are meant to take on a node. */
export function heldForOthers({ held }: ClusterPlan, group: GroupKey, node: string): Amounts {
  const others = held.get(node)?.filter((entry) => entry.group !== group) ?? [];
  return others.reduce<Amounts>((sum, { request }) => plus(sum, request), nothing);
}

/** The room of a group: what is free, less what is held for the others. */
export function roomFor(plan: ClusterPlan, group: GroupKey, terrain: Terrain): Room {
  const room = new Room(terrain.byName);
  for (const [node, entries] of plan.held) {
    for (const entry of entries) if (entry.group !== group) room.take(node, entry.request);
  }
  return room;
}

const hasOpenSlot = ({ members }: Group): boolean => members.some(({ node }) => node === undefined);
const hasBegun = ({ members }: Group): boolean => members.some(({ node }) => node !== undefined);

/** A group without any pod comes last. */
function inTurn(a: Group, b: Group): number {
  const rank = (group: Group) => [hasBegun(group) ? 0 : 1, group.since === '' ? '~' : group.since, group.key].join(' ');
  return rank(a) < rank(b) ? -1 : 1;
}

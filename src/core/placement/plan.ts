import { type Level, levels } from '../../api/names.js';
import { table } from '../../base/errors.js';
import { refusal } from './feasible.js';
import { linkWeight, type Member } from './group.js';
import { type End, linksTo } from './links.js';
import type { NodeState } from './node-state.js';
import { type Amounts, devicesOf, fits, nothing, plus } from './resources.js';
import type { Room } from './room.js';
import { type Domain, isIn, type Terrain } from './terrain.js';
import { costOfLevel, type Domains, isWithin, nearestLevel } from './topology.js';

/** The intended place of each slot of one serving group. */
export interface GroupPlan {
  /** The nearest level at which one domain holds the whole group; undefined when no known level does. */
  readonly level: Level | undefined;
  /** The domain at that level, e.g. `r1`. */
  readonly domain: string | undefined;
  /** Cost of a link at that level. */
  readonly cost: number;
  /** Node of each member by pod name: where it is, is expected, or is meant to go. A member that fits nowhere is absent. */
  readonly nodes: ReadonlyMap<string, string>;
  /** Whether every member has a node. */
  readonly complete: boolean;
}

export interface PlanRequest {
  readonly members: readonly Member[];
  readonly terrain: Terrain;
  readonly room: Room;
  /** Nodes that a scheduler offers for one member: that member is planned only there. */
  readonly offered?: { readonly member: string; readonly nodes: ReadonlySet<string> };
  /** Asked between steps; when it says true the plan is given up with `placement-late`. */
  readonly isLate?: () => boolean;
}

export const planErrors = table({
  'placement-late': {
    status: 503,
    retryable: true,
    says: (m: { members: number; nodes: number }) =>
      `planning ${m.members} pods on ${m.nodes} nodes took longer than allowed; raise the extender's deadline below the scheduler's httpTimeout`,
  },
});

/**
 * The plan of one group: the nearest level at which one domain has room for every open slot and holds every placed one;
 * among such domains the one that is left with the least, so that large rooms stay whole. Equal input, equal output.
 */
export function planGroup(request: PlanRequest): GroupPlan {
  const { placed, room } = settle(request);
  const open = inPackingOrder(request.members.filter(({ name }) => !placed.has(name)));
  if (open.length === 0) return reached(request, placed, undefined);
  const search: Search = { ...request, placed, room, usable: usableNodes(request, open) };
  const found = nearestRoom(search, open);
  const assigned = found?.assigned ?? assign(search, open, request.terrain.nodes).nodes;
  return reached(request, new Map([...placed, ...assigned]), found?.domain);
}

interface Search extends PlanRequest {
  /** Node by pod name of the members that are bound or expected somewhere. */
  readonly placed: ReadonlyMap<string, string>;
  /** By pod name: the nodes that the member may use, room aside. Members of one kind share one set. */
  readonly usable: ReadonlyMap<string, ReadonlySet<NodeState>>;
}

/** Members that have a place already; an expectation that no longer fits is dropped, one that does takes its room. */
function settle(request: PlanRequest): { placed: ReadonlyMap<string, string>; room: Room } {
  const placed = new Map<string, string>();
  const room = request.room.copy();
  for (const member of request.members) {
    const state = request.terrain.byName.get(member.node ?? member.expected ?? '');
    if (state === undefined) continue;
    if (member.node === undefined) {
      if (!fits(member.request, room.free(state)) || !accepts(state, member)) continue;
      room.take(state.name, member.request);
    }
    placed.set(member.name, state.name);
  }
  return { placed, room };
}

const accepts = ({ node }: NodeState, { spec }: Member): boolean => refusal({ metadata: {}, spec }, node) === undefined;

/** Asks each node once per kind of member: most groups have two kinds, prefill and decode. */
function usableNodes({ terrain, room, offered }: PlanRequest, open: readonly Member[]): Search['usable'] {
  const byKind = new Map<string, ReadonlySet<NodeState>>();
  const usable = new Map<string, ReadonlySet<NodeState>>();
  for (const member of open) {
    const { nodeSelector, affinity, tolerations } = member.spec;
    const kind = JSON.stringify([[...member.request], nodeSelector, affinity, tolerations]);
    const nodes =
      byKind.get(kind) ??
      new Set(terrain.nodes.filter((node) => fits(member.request, room.free(node)) && accepts(node, member)));
    byKind.set(kind, nodes);
    const isAsked = offered?.member === member.name;
    usable.set(member.name, isAsked ? new Set([...nodes].filter(({ name }) => offered.nodes.has(name))) : nodes);
  }
  return usable;
}

/** Goes up the ladder until a domain holds the group; undefined when not even the whole cluster does. */
function nearestRoom(
  search: Search,
  open: readonly Member[],
): { domain: Domain; assigned: ReadonlyMap<string, string> } | undefined {
  const { terrain, placed } = search;
  const anchors = [...new Set(placed.values())].flatMap((name) => terrain.byName.get(name) ?? []);
  const demand = demandOf(open);
  for (const level of [...levels, undefined]) {
    const rooms = terrain
      .domainsAt(level)
      .filter((domain) => anchors.every((anchor) => isIn(anchor, domain)) && couldHold(search, domain, demand))
      .map((domain) => ({ domain, spare: spareIn(search.room, domain, demand) }))
      .sort((a, b) => a.spare - b.spare || compare(a.domain.key, b.domain.key));
    for (const { domain } of rooms) {
      mindTheTime(search);
      const assigned = assignAll(search, open, domain.nodes);
      if (assigned !== undefined) return { domain, assigned };
    }
  }
  return undefined;
}

/** By link cost first; where that cuts the room into pieces, tightest node first whatever the links cost. */
function assignAll(search: Search, open: readonly Member[], nodes: readonly NodeState[]) {
  const near = assign(search, open, nodes);
  if (near.complete) return near.nodes;
  const packed = assign({ ...search, members: [] }, open, nodes);
  return packed.complete ? packed.nodes : undefined;
}

interface Assignment {
  readonly nodes: ReadonlyMap<string, string>;
  /** Whether every open slot found a node. */
  readonly complete: boolean;
}

/** Places each slot where its links to what is already placed cost least; a slot that finds no room is left out. */
function assign(search: Search, open: readonly Member[], nodes: readonly NodeState[]): Assignment {
  const room = search.room.copy();
  const at = new Map(search.placed);
  const assigned = new Map<string, string>();
  for (const member of open) {
    mindTheTime(search);
    const node = cheapest({ ...search, room }, member, at, nodes);
    if (node === undefined) continue;
    room.take(node.name, member.request);
    at.set(member.name, node.name);
    assigned.set(member.name, node.name);
  }
  return { nodes: assigned, complete: assigned.size === open.length };
}

/** The node with the cheapest links, then the one that is left with the least, then the first by name. */
function cheapest(
  search: Search,
  member: Member,
  at: ReadonlyMap<string, string>,
  nodes: readonly NodeState[],
): NodeState | undefined {
  const { room, terrain, usable } = search;
  const main = mainResource(member.request);
  const links = linksTo(ends(search, member, at), terrain);
  const mine = usable.get(member.name);
  let best: (Worth & { readonly node: NodeState }) | undefined;
  for (const node of nodes) {
    const free = room.free(node);
    if (mine?.has(node) !== true || !fits(member.request, free)) continue;
    const cost = links.costFrom(node);
    const spare = free.get(main) ?? 0;
    if (best === undefined || isBetter({ cost, spare }, best)) best = { node, cost, spare };
  }
  return best?.node;
}

interface Worth {
  readonly cost: number;
  readonly spare: number;
}

const isBetter = (a: Worth, b: Worth): boolean => a.cost < b.cost || (a.cost === b.cost && a.spare < b.spare);

function* ends({ members, terrain }: Search, member: Member, at: ReadonlyMap<string, string>): Iterable<End> {
  for (const peer of members) {
    const there = peer.name === member.name ? undefined : terrain.byName.get(at.get(peer.name) ?? '');
    if (there !== undefined) yield { at: there, weight: linkWeight(member, peer) };
  }
}

function mindTheTime({ isLate, members, terrain }: PlanRequest): void {
  if (isLate?.()) throw planErrors('placement-late', { members: members.length, nodes: terrain.nodes.length });
}

/** Level and cost that the nodes of a plan amount to, which may be nearer than the domain they were sought in. */
function reached(
  { terrain, members }: PlanRequest,
  nodes: ReadonlyMap<string, string>,
  domain: Domain | undefined,
): GroupPlan {
  const states = [...new Set(nodes.values())].flatMap((name) => terrain.byName.get(name) ?? []);
  const level = sharedLevel(states.map((state) => state.domains)) ?? domain?.level;
  return {
    level,
    domain: level === undefined ? undefined : states[0]?.domains[level],
    cost: costOfLevel(level, terrain.ladder),
    nodes,
    complete: members.every(({ name }) => nodes.has(name)),
  };
}

/** The nearest level that all of them share; undefined when there is none or nothing to share. */
export function sharedLevel(all: readonly Domains[]): Level | undefined {
  const [first] = all;
  if (first === undefined) return undefined;
  return levels.find(
    (level) =>
      first[level] !== undefined &&
      all.every((other) => other[level] === first[level] && isWithin(nearestLevel(first, other), level)),
  );
}

/** Large slots first, because small ones fit in what they leave; pods of one instance side by side; then by name. */
function inPackingOrder(open: readonly Member[]): readonly Member[] {
  return [...open].sort(
    (a, b) => sizeOf(b.request) - sizeOf(a.request) || compare(a.roleId, b.roleId) || compare(a.name, b.name),
  );
}

interface Demand {
  readonly total: Amounts;
  /** The resource that is scarce for this group: its device, else cpu. */
  readonly main: string;
}

function demandOf(open: readonly Member[]): Demand {
  const total = open.reduce<Amounts>((sum, { request }) => plus(sum, request), nothing);
  return { total, main: mainResource(total) };
}

function mainResource(amounts: Amounts): string {
  const [device] = [...devicesOf(amounts)].sort(([a, x], [b, y]) => y - x || compare(a, b));
  return device?.[0] ?? 'cpu';
}

/** A necessary condition that is cheap to ask: the sum of what is free covers the sum of what is asked. */
function couldHold({ room }: Search, { nodes }: Domain, { total, main }: Demand): boolean {
  const enough = (name: string, amount: number): boolean => {
    let free = 0;
    for (const node of nodes) {
      free += Math.max(0, room.free(node).get(name) ?? 0);
      if (free >= amount) return true;
    }
    return free >= amount;
  };
  return enough(main, total.get(main) ?? 0) && [...total].every(([name, amount]) => enough(name, amount));
}

function spareIn(room: Room, { nodes }: Domain, { total, main }: Demand): number {
  const free = nodes.reduce((sum, node) => sum + Math.max(0, room.free(node).get(main) ?? 0), 0);
  return free - (total.get(main) ?? 0);
}

function sizeOf(request: Amounts): number {
  const devices = [...devicesOf(request).values()].reduce((sum, amount) => sum + amount, 0);
  return devices * 1e9 + (request.get('cpu') ?? 0);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

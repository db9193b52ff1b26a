import { type Level, levels } from '../../api/names.js';
import { table } from '../../base/errors.js';
import type { NodeState } from './cluster.js';
import { refusal } from './feasible.js';
import { linkWeight, type Member } from './group.js';
import { type Amounts, devicesOf, fits, minus, nothing, plus } from './resources.js';
import { costOfLevel, type Domains, distance, isWithin, type Ladder, nearestLevel } from './topology.js';

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

/** Free amounts per node that a plan may take from without touching what was observed. */
export class Room {
  readonly #nodes: ReadonlyMap<string, NodeState>;
  readonly #left: Map<string, Amounts>;

  constructor(nodes: ReadonlyMap<string, NodeState>, left: ReadonlyMap<string, Amounts> = new Map()) {
    this.#nodes = nodes;
    this.#left = new Map(left);
  }

  free(node: NodeState): Amounts {
    return this.#left.get(node.name) ?? node.free;
  }

  take(name: string, request: Amounts): void {
    const node = this.#nodes.get(name);
    if (node !== undefined) this.#left.set(name, minus(this.free(node), request));
  }

  give(name: string, request: Amounts): void {
    const node = this.#nodes.get(name);
    if (node !== undefined) this.#left.set(name, plus(this.free(node), request));
  }

  copy(): Room {
    return new Room(this.#nodes, this.#left);
  }
}

export interface PlanRequest {
  readonly members: readonly Member[];
  readonly nodes: ReadonlyMap<string, NodeState>;
  readonly room: Room;
  readonly ladder: Ladder;
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

interface Domain {
  readonly level: Level | undefined;
  readonly name: string | undefined;
  /** Unique, also where two zones number their racks alike. */
  readonly key: string;
  readonly nodes: readonly NodeState[];
}

/**
 * The plan of one group: the nearest level at which one domain has room for every open slot and holds every placed one;
 * among such domains the one that is left with the least, so that large rooms stay whole. Equal input, equal output.
 */
export function planGroup(request: PlanRequest): GroupPlan {
  const { placed, room } = settle(request);
  const search: Search = { ...request, placed, room };
  const open = inPackingOrder(request.members.filter(({ name }) => !placed.has(name)));
  if (open.length === 0) return reached(request, placed, undefined);
  const usable = [...request.nodes.values()]
    .filter((node) => open.some((member) => mayTake(search, room, member, node)))
    .sort(byName);
  const found = nearestRoom(search, open, usable);
  const assigned = found?.assigned ?? assign(search, open, usable).nodes;
  return reached(request, new Map([...placed, ...assigned]), found?.domain);
}

interface Search extends PlanRequest {
  /** Node by pod name of the members that are bound or expected somewhere. */
  readonly placed: ReadonlyMap<string, string>;
}

/** Members that have a place already; an expectation that no longer fits is dropped, one that does takes its room. */
function settle(request: PlanRequest): { placed: ReadonlyMap<string, string>; room: Room } {
  const placed = new Map<string, string>();
  const room = request.room.copy();
  for (const member of request.members) {
    const state = request.nodes.get(member.node ?? member.expected ?? '');
    if (state === undefined) continue;
    if (member.node === undefined) {
      if (!mayTake(request, room, member, state)) continue;
      room.take(state.name, member.request);
    }
    placed.set(member.name, state.name);
  }
  return { placed, room };
}

/** Goes up the ladder until a domain holds the group; undefined when not even the whole cluster does. */
function nearestRoom(
  search: Search,
  open: readonly Member[],
  usable: readonly NodeState[],
): { domain: Domain; assigned: ReadonlyMap<string, string> } | undefined {
  const anchors = [...new Set(search.placed.values())].flatMap((name) => search.nodes.get(name) ?? []);
  const demand = demandOf(open);
  for (const level of [...levels, undefined]) {
    const rooms = domainsAt(level, usable, anchors)
      .filter((domain) => couldHold(search.room, domain, demand))
      .map((domain) => ({ domain, spare: spareIn(search.room, domain, demand) }))
      .sort((a, b) => a.spare - b.spare || compare(a.domain.key, b.domain.key));
    for (const { domain } of rooms) {
      mindTheTime(search);
      const assigned = [assign(search, open, domain.nodes), pack(search, open, domain.nodes)].find((a) => a.complete);
      if (assigned !== undefined) return { domain, assigned: assigned.nodes };
    }
  }
  return undefined;
}

/** Domains of the usable nodes at a level, without those that miss a node where the group already is. */
function domainsAt(level: Level | undefined, usable: readonly NodeState[], anchors: readonly NodeState[]): Domain[] {
  if (level === undefined) return [{ level, name: undefined, key: '', nodes: usable }];
  const byKey = new Map<string, { name: string; nodes: NodeState[] }>();
  for (const node of usable) {
    const name = node.domains[level];
    if (name === undefined) continue;
    const key = domainKey(node.domains, name);
    const domain = byKey.get(key) ?? { name, nodes: [] };
    domain.nodes.push(node);
    byKey.set(key, domain);
  }
  const holds = (key: string) =>
    anchors.every(({ domains }) => domains[level] !== undefined && domainKey(domains, domains[level]) === key);
  return [...byKey].filter(([key]) => holds(key)).map(([key, domain]) => ({ level, key, ...domain }));
}

const domainKey = ({ region = '', zone = '' }: Domains, name: string): string => `${region}/${zone}/${name}`;

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

function mindTheTime({ isLate, members, nodes }: PlanRequest): void {
  if (isLate?.()) throw planErrors('placement-late', { members: members.length, nodes: nodes.size });
}

/** Tightest node first, whatever the links cost: finds room where `assign` has cut it into pieces. */
function pack(search: Search, open: readonly Member[], nodes: readonly NodeState[]): Assignment {
  return assign({ ...search, members: [] }, open, nodes);
}

/** The node with the cheapest links, then the one that is left with the least, then the first by name. */
function cheapest(
  search: Search,
  member: Member,
  at: ReadonlyMap<string, string>,
  nodes: readonly NodeState[],
): NodeState | undefined {
  const main = mainResource(member.request);
  let best: { node: NodeState; cost: number; spare: number } | undefined;
  for (const node of nodes) {
    if (!mayTake(search, search.room, member, node)) continue;
    const cost = linkCost(search, member, node.domains, at);
    const spare = search.room.free(node).get(main) ?? 0;
    if (best === undefined || cost < best.cost || (cost === best.cost && spare < best.spare))
      best = { node, cost, spare };
  }
  return best?.node;
}

/** Weighted cost of the links from `member`, if it were at `here`, to its peers at their nodes. */
function linkCost(search: Search, member: Member, here: Domains, at: ReadonlyMap<string, string>): number {
  let cost = 0;
  for (const peer of search.members) {
    const there = peer.name === member.name ? undefined : search.nodes.get(at.get(peer.name) ?? '');
    const weight = there === undefined ? 0 : linkWeight(member, peer);
    if (there !== undefined && weight > 0) cost += weight * distance(here, there.domains, search.ladder);
  }
  return cost;
}

function mayTake({ offered }: PlanRequest, room: Room, member: Member, node: NodeState): boolean {
  if (offered?.member === member.name && !offered.nodes.has(node.name)) return false;
  return fits(member.request, room.free(node)) && refusal({ metadata: {}, spec: member.spec }, node.node) === undefined;
}

/** Level and cost that the nodes of a plan amount to, which may be nearer than the domain they were sought in. */
function reached(request: PlanRequest, nodes: ReadonlyMap<string, string>, domain: Domain | undefined): GroupPlan {
  const states = [...new Set(nodes.values())].flatMap((name) => request.nodes.get(name) ?? []);
  const level = sharedLevel(states.map((state) => state.domains)) ?? domain?.level;
  return {
    level,
    domain: level === undefined ? undefined : states[0]?.domains[level],
    cost: costOfLevel(level, request.ladder),
    nodes,
    complete: request.members.every(({ name }) => nodes.has(name)),
  };
}

/** The nearest level that all of them share; undefined when there is none or nothing to share. */
export function sharedLevel(all: readonly Domains[]): Level | undefined {
  const [first] = all;
  if (first === undefined) return undefined;
  return levels.find(
    (level) =>
      first[level] !== undefined && all.every((other) => other[level] === first[level] && isNear(first, other, level)),
  );
}

const isNear = (a: Domains, b: Domains, level: Level): boolean => isWithin(nearestLevel(a, b), level);

/** Large slots first, because small ones fit in what they leave; pods of one instance side by side; then by name. */
function inPackingOrder(open: readonly Member[]): readonly Member[] {
  return [...open].sort(
    (a, b) => weightOf(b.request) - weightOf(a.request) || compare(a.roleId, b.roleId) || compare(a.name, b.name),
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
function couldHold(room: Room, domain: Domain, { total }: Demand): boolean {
  for (const [name, amount] of total) {
    let free = 0;
    for (const node of domain.nodes) free += Math.max(0, room.free(node).get(name) ?? 0);
    if (free < amount) return false;
  }
  return true;
}

function spareIn(room: Room, domain: Domain, { total, main }: Demand): number {
  const free = domain.nodes.reduce((sum, node) => sum + Math.max(0, room.free(node).get(main) ?? 0), 0);
  return free - (total.get(main) ?? 0);
}

function weightOf(request: Amounts): number {
  const devices = [...devicesOf(request).values()].reduce((sum, amount) => sum + amount, 0);
  return devices * 1e9 + (request.get('cpu') ?? 0);
}

const byName = (a: NodeState, b: NodeState): number => compare(a.name, b.name);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

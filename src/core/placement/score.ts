import { levels } from '../../api/names.js';
import { type GroupKey, linkWeight, type Member } from './group.js';
import { type End, type Links, linksTo } from './links.js';
import type { NodeState } from './node-state.js';
import type { GroupPlan } from './plan.js';
import { type ClusterPlan, heldForOthers } from './plan-cluster.js';
import { type Amounts, fits, minus, nothing, plus } from './resources.js';
import type { Terrain } from './terrain.js';
import { costOfLevel, type Ladder } from './topology.js';

/** Highest score of kube-scheduler's extender protocol; scores are integers from 0. */
export const maxScore = 10;

export interface ScoreRequest {
  readonly group: GroupKey;
  readonly member: Member;
  readonly members: readonly Member[];
  readonly plan: GroupPlan;
  readonly clusterPlan: ClusterPlan;
  readonly terrain: Terrain;
  /** Names of the nodes to score. */
  readonly candidates: readonly string[];
}

/**
 * Scores 0..10 for a member's candidate nodes, by the weighted cost of its links to peers that are placed and to slots that
 * are planned. The nearest candidate gets 10 and the others their share of its nearness, so that the whole range is used
 * whatever the best level is. A node whose room is held for another group loses some. All are 0 when nothing tells them apart.
 */
export function scoreNodes(request: ScoreRequest): ReadonlyMap<string, number> {
  const links = linksTo(ends(request, undefined), request.terrain);
  const raw = new Map(request.candidates.map((name) => [name, rawScore(request, links, name)]));
  const values = [...raw.values()];
  const best = Math.max(...values);
  if (values.every((value) => value === best)) return new Map(request.candidates.map((name) => [name, 0]));
  return new Map([...raw].map(([name, value]) => [name, Math.round((maxScore * value) / best)]));
}

const penaltyForHeldRoom = 3;

function rawScore(request: ScoreRequest, links: Links, name: string): number {
  const node = request.terrain.byName.get(name);
  if (node === undefined) return 0;
  return Math.max(0, nearness(request, links, node) - (takesHeldRoom(request, node) ? penaltyForHeldRoom : 0));
}

function takesHeldRoom({ member, clusterPlan, group }: ScoreRequest, { name, free }: NodeState): boolean {
  if (!clusterPlan.held.has(name)) return false;
  const left = minus(free, heldForOthers(clusterPlan, group, name));
  return fits(member.request, free) && !fits(member.request, left);
}

/** 0..10 by mean link cost; a member without links is equally near to everything. */
function nearness(request: ScoreRequest, links: Links, here: NodeState): number {
  if (links.weight === 0) return maxScore;
  const own = wouldDisplace(request, here) ? linksTo(ends(request, here.name), request.terrain) : links;
  return pointsFor(own.costFrom(here) / own.weight, request.terrain.ladder);
}

/** Where the peers are or are meant to be. A peer whose planned place this member takes is expected in this member's place. */
function* ends({ members, member, plan, terrain }: ScoreRequest, taken: string | undefined): Iterable<End> {
  const instead = plan.nodes.get(member.name);
  for (const peer of members) {
    if (peer.name === member.name) continue;
    const meant = peer.node ?? plan.nodes.get(peer.name);
    const swaps = peer.node === undefined && meant !== undefined && meant === taken;
    const at = terrain.byName.get((swaps ? instead : meant) ?? '');
    if (at !== undefined) yield { at, weight: linkWeight(member, peer) };
  }
}

/** Whether the member would take the room that the plan gives to its own peers on this node. */
function wouldDisplace({ members, member, plan }: ScoreRequest, { name, free }: NodeState): boolean {
  const meant = members.filter(
    (peer) => peer.name !== member.name && peer.node === undefined && plan.nodes.get(peer.name) === name,
  );
  if (meant.length === 0) return false;
  const request = meant.reduce<Amounts>((sum, peer) => plus(sum, peer.request), nothing);
  return !fits(member.request, minus(free, request));
}

/**
 * Points of a link at each level. A point more or less is 200 at weight 20, and the default plugins together differ by a few
 * hundred: neighbouring levels that matter lie two or three apart.
 */
const pointsOfLevel = { node: 10, domain: 9, leaf: 7, rack: 5, zone: 2, region: 1 } as const;

/** Points of a mean cost: that of a level at the level's own cost, straight lines in between. Levels of equal cost count alike. */
export function pointsFor(cost: number, ladder: Ladder): number {
  const points = [
    ...levels.map((level) => ({ cost: costOfLevel(level, ladder), points: pointsOfLevel[level] as number })),
    { cost: ladder.beyond, points: 0 },
  ];
  let below = points[0];
  for (const above of points) {
    if (below === undefined || above.cost === cost) return points.find((p) => p.cost === cost)?.points ?? above.points;
    if (above.cost > cost) return interpolate(below, above, cost);
    if (above.cost > below.cost) below = above;
  }
  return 0;
}

function interpolate(
  a: { readonly cost: number; readonly points: number },
  b: { readonly cost: number; readonly points: number },
  cost: number,
): number {
  if (b.cost <= a.cost || cost <= a.cost) return a.points;
  return a.points + ((b.points - a.points) * (cost - a.cost)) / (b.cost - a.cost);
}

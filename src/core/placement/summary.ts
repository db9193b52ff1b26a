import type { Node, Pod } from '../../api/kube.js';
import type { Level } from '../../api/names.js';
import { Cluster } from './cluster.js';
import { type GroupKey, isDecode, isPrefill, linkWeight, type Member, membersOf } from './group.js';
import { planGroup, sharedLevel } from './plan.js';
import { Room } from './room.js';
import { costOfLevel, type Domains, defaultLadder, type Ladder, nearestLevel } from './topology.js';

/** How near a serving group's pods are to each other, beside how near they could be. */
export interface PlacementSummary {
  readonly group: GroupKey;
  /** The nearest level that all placed pods share; undefined when they share none that is known. */
  readonly level: Level | undefined;
  readonly domain: string | undefined;
  readonly cost: number;
  /** What an empty place in today's cluster would allow: other pods stay where they are, this group's are moved freely. */
  readonly best: { readonly level: Level | undefined; readonly domain: string | undefined; readonly cost: number };
  readonly pods: readonly PlacedPod[];
  /** Names of the pods that have no node yet. */
  readonly waiting: readonly string[];
}

export interface PlacedPod {
  readonly name: string;
  readonly roleId: string;
  readonly node: string;
  /** The level it shares with its farthest peer; its own node when it has no peer. */
  readonly level: Level | undefined;
  readonly cost: number;
}

/** Everything placement knows about a cluster, from plain lists. */
export function clusterOf(nodes: readonly Node[], pods: readonly Pod[], ladder: Ladder = defaultLadder): Cluster {
  const cluster = new Cluster(ladder);
  for (const node of nodes) cluster.setNode(node);
  for (const pod of pods) cluster.setPod(pod);
  return cluster;
}

/** Summary of one group; `undefined` when no pod of it is known. */
export function summarisePlacement(cluster: Cluster, group: GroupKey): PlacementSummary | undefined {
  const pods = cluster.podsOf(group);
  if (pods.length === 0) return undefined;
  const members = membersOf(pods, undefined, group);
  const placed = members.flatMap((member) => {
    const state = cluster.nodes.get(member.node ?? '');
    return state === undefined ? [] : [{ member, domains: state.domains, node: state.name }];
  });
  const level = sharedLevel(placed.map(({ domains }) => domains));
  return {
    group,
    level,
    domain: level === undefined ? undefined : placed[0]?.domains[level],
    cost: costOfLevel(level, cluster.ladder),
    best: bestPossible(cluster, members),
    pods: placed.sort(byPrefillFirst).map(({ member, domains, node }) => {
      const farthest = farthestLevel(member, domains, placed, cluster.ladder);
      return { name: member.name, roleId: member.roleId, node, ...farthest };
    }),
    waiting: members.filter(({ node }) => node === undefined).map(({ name }) => name),
  };
}

/** `prefill-0 on npu-r1-03, decode-0 on npu-r1-07  same leaf r1 (cost 5, best possible 5)` */
export function describePlacement(summary: PlacementSummary): string {
  const pods = summary.pods.map(({ name, roleId, node }) => `${shortName(name, roleId)} on ${node}`);
  const where = summary.level === undefined ? 'no known level in common' : `same ${summary.level} ${summary.domain}`;
  const waiting = summary.waiting.length === 0 ? '' : `, ${summary.waiting.length} not placed yet`;
  return `${pods.join(', ')}${waiting}  ${where} (cost ${summary.cost}, best possible ${summary.best.cost})`;
}

function bestPossible(cluster: Cluster, members: readonly Member[]): PlacementSummary['best'] {
  const room = new Room(cluster.nodes);
  for (const { node, request } of members) if (node !== undefined) room.give(node, request);
  const open = members.map(({ node: _, expected: __, ...slot }) => slot);
  const { level, domain, cost } = planGroup({ members: open, terrain: cluster.terrain, room });
  return { level, domain, cost };
}

function farthestLevel(
  member: Member,
  here: Domains,
  placed: readonly { readonly member: Member; readonly domains: Domains }[],
  ladder: Ladder,
): { level: Level | undefined; cost: number } {
  let farthest: { level: Level | undefined; cost: number } = { level: 'node', cost: costOfLevel('node', ladder) };
  for (const peer of placed) {
    if (peer.member.name === member.name || linkWeight(member, peer.member) === 0) continue;
    const level = nearestLevel(here, peer.domains);
    const cost = costOfLevel(level, ladder);
    if (cost > farthest.cost) farthest = { level, cost };
  }
  return farthest;
}

/** As the KV flows: prefill, then decode, then the rest; each by name. */
function byPrefillFirst(a: { readonly member: Member }, b: { readonly member: Member }): number {
  const rank = ({ member: { role, name } }: { readonly member: Member }) =>
    `${isPrefill(role) ? 0 : isDecode(role) ? 1 : 2}${name}`;
  return rank(a) < rank(b) ? -1 : 1;
}

/** The instance, and the worker's number where it is not the entry. */
function shortName(name: string, roleId: string): string {
  const index = name.slice(name.lastIndexOf('-') + 1);
  return index === '0' ? roleId : `${roleId} worker ${index}`;
}

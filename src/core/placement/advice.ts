import type { Pod } from '../../api/kube.js';
import { labels, type levels } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import type { Cluster } from './cluster.js';
import { type GroupKey, groupKeyOf, groupsOf, type Member, memberOf, membersOf, servingKeyOf } from './group.js';
import type { NodeState } from './node-state.js';
import { type GroupPlan, planGroup } from './plan.js';
import { type ClusterPlan, type Group, planCluster, roomFor } from './plan-cluster.js';
import { type PlacementPolicy, placementPolicy } from './policy.js';
import { Room } from './room.js';
import { scoreNodes } from './score.js';
import { isWithin, nearestLevel } from './topology.js';

/** Everything an answer depends on. */
export interface Surroundings {
  readonly cluster: Cluster;
  /** ModelServings by `namespace/name`; empty when they are not watched, then slots without a pod are not foreseen. */
  readonly servings: ReadonlyMap<string, ModelServing>;
  /** Node by pod uid: where a pod that is not bound yet probably is. */
  readonly expected: ReadonlyMap<string, string>;
  /** Whether the time allowed for the answer is over. */
  readonly isLate?: () => boolean;
}

export type Advice =
  | { readonly kind: 'neutral'; readonly why: 'foreign-pod' | 'placement-off' | 'no-candidates' }
  | {
      readonly kind: 'scores';
      readonly scores: ReadonlyMap<string, number>;
      readonly plan: GroupPlan;
      /** The planned node, when no other node scores higher: where the pod probably goes. */
      readonly probable: string | undefined;
    };

/** The plan of all groups that are still being placed; valid while cluster, servings and expectations stay as they are. */
export function planAll(around: Surroundings): ClusterPlan {
  return planCluster(groupsIn(around), around.cluster.terrain, around.isLate);
}

/** Scores of the candidate nodes for one pod. `clusterPlan` is what `planAll` gave for the same surroundings. */
export function advise(
  around: Surroundings,
  clusterPlan: ClusterPlan,
  pod: Pod,
  candidates: readonly string[],
): Advice {
  const group = groupKeyOf(pod);
  if (group === undefined) return { kind: 'neutral', why: 'foreign-pod' };
  if (policyOf(around, pod).mode === 'off') return { kind: 'neutral', why: 'placement-off' };
  if (candidates.length === 0) return { kind: 'neutral', why: 'no-candidates' };
  const { cluster } = around;
  const members = membersAround(around, group, pod);
  const member = memberOf(pod);
  const plan = planFor(around, clusterPlan, { group, member, members, candidates });
  const scores = scoreNodes({
    ...{ group, member, members, plan, clusterPlan, candidates },
    terrain: cluster.terrain,
  });
  return { kind: 'scores', scores, plan, probable: probableNode(plan, member, scores) };
}

/** Constant texts: kube-scheduler counts equal reasons in its events. */
export type Rejection = 'tandem: outside the domain of the group' | 'tandem: no domain has room for the whole group';

export interface Filtered {
  readonly allowed: readonly string[];
  readonly rejected: ReadonlyMap<string, Rejection>;
}

/**
 * Which candidates the hard mode lets a pod go to: those within the required level of all bound peers, or, for the first
 * pod, those in the planned domain, which has room for the whole group. Any pod without hard mode may go anywhere.
 */
export function allowNodes(
  around: Surroundings,
  clusterPlan: ClusterPlan,
  pod: Pod,
  candidates: readonly string[],
): Filtered {
  const group = groupKeyOf(pod);
  const policy = policyOf(around, pod);
  if (group === undefined || policy.mode !== 'required') return { allowed: candidates, rejected: new Map() };
  const { nodes } = around.cluster;
  const members = membersAround(around, group, pod);
  const bound = members.flatMap(({ node, name }) => (name === pod.metadata.name ? [] : (nodes.get(node ?? '') ?? [])));
  if (bound.length > 0) return split(candidates, nodes, bound, policy.level);
  const plan = planFor(around, clusterPlan, { group, member: memberOf(pod), members, candidates });
  const planned = nodes.get(plan.nodes.get(pod.metadata.name ?? '') ?? '');
  if (planned === undefined || !plan.complete || !isWithin(plan.level, policy.level)) {
    return { allowed: [], rejected: new Map(candidates.map((name) => [name, noRoom])) };
  }
  return split(candidates, nodes, [planned], policy.level);
}

const outside: Rejection = 'tandem: outside the domain of the group';
const noRoom: Rejection = 'tandem: no domain has room for the whole group';

function split(
  candidates: readonly string[],
  nodes: ReadonlyMap<string, NodeState>,
  peers: readonly NodeState[],
  level: (typeof levels)[number],
): Filtered {
  const isNear = (name: string): boolean => {
    const node = nodes.get(name);
    return node !== undefined && peers.every((peer) => isWithin(nearestLevel(node.domains, peer.domains), level));
  };
  const allowed = candidates.filter(isNear);
  const kept = new Set(allowed);
  return { allowed, rejected: new Map(candidates.filter((name) => !kept.has(name)).map((name) => [name, outside])) };
}

/** What the pod's ModelServing asks for; the default when it is not known. */
export function policyOf({ servings }: Surroundings, pod: Pod): PlacementPolicy {
  return placementPolicy(servings.get(servingKeyOf(pod) ?? '')?.metadata.annotations).policy;
}

interface Question {
  readonly group: GroupKey;
  readonly member: Member;
  readonly members: readonly Member[];
  readonly candidates: readonly string[];
}

/** The plan everyone follows; made anew when the scheduler does not offer the place it has for this pod. */
function planFor(around: Surroundings, clusterPlan: ClusterPlan, question: Question): GroupPlan {
  const { group, member, members } = question;
  const { terrain } = around.cluster;
  const offered = { member: member.name, nodes: new Set(question.candidates) };
  const common = clusterPlan.plans.get(group);
  if (common !== undefined && offered.nodes.has(common.nodes.get(member.name) ?? '') && agrees(common, members)) {
    return common;
  }
  const request = { members, terrain, offered, ...(around.isLate && { isLate: around.isLate }) };
  const own = planGroup({ ...request, room: roomFor(clusterPlan, group, terrain) });
  // Room held for others is a wish, not a fact: a group that fits nowhere else may have it.
  return own.complete ? own : planGroup({ ...request, room: new Room(terrain.byName) });
}

/** Whether a plan was made from the same knowledge of where the members are. */
function agrees(plan: GroupPlan, members: readonly Member[]): boolean {
  return members.every(({ name, node, expected }) => {
    const known = node ?? expected;
    return known === undefined || plan.nodes.get(name) === known;
  });
}

function probableNode(plan: GroupPlan, { name }: Member, scores: ReadonlyMap<string, number>): string | undefined {
  const planned = plan.nodes.get(name);
  const best = Math.max(...scores.values());
  return planned !== undefined && scores.get(planned) === best ? planned : undefined;
}

/** The members of the pod's group, with the pod as the scheduler sent it, which may be newer than what was watched. */
function membersAround(around: Surroundings, group: GroupKey, pod: Pod): readonly Member[] {
  const pods = around.cluster.podsOf(group).filter(({ metadata }) => metadata.name !== pod.metadata.name);
  const serving = around.servings.get(servingKeyOf(pod) ?? '');
  const members = membersOf([...pods, pod], serving, pod.metadata.labels?.[labels.groupName] ?? '');
  return members.map((member) => (member.uid === pod.metadata.uid ? member : withExpectation(member, around.expected)));
}

function withExpectation(member: Member, expected: ReadonlyMap<string, string>): Member {
  const node = member.node === undefined ? expected.get(member.uid ?? '') : undefined;
  return node === undefined ? member : { ...member, expected: node };
}

/** Groups that have pods, and groups that watched servings ask for and that have none yet. */
function groupsIn(around: Surroundings): readonly Group[] {
  const groups = new Map<GroupKey, Group>();
  for (const key of around.cluster.groups) groups.set(key, groupOf(around, key));
  for (const [key, serving] of around.servings) {
    const namespace = key.slice(0, key.indexOf('/'));
    for (const name of groupsOf(serving)) {
      const group: GroupKey = `${namespace}/${name}`;
      if (!groups.has(group)) groups.set(group, { key: group, members: membersOf([], serving, name), since: '' });
    }
  }
  return [...groups.values()];
}

function groupOf(around: Surroundings, key: GroupKey): Group {
  const pods = around.cluster.podsOf(key);
  const [first] = pods;
  const serving = first === undefined ? undefined : around.servings.get(servingKeyOf(first) ?? '');
  const members = membersOf(pods, serving, key.slice(key.indexOf('/') + 1));
  const since = pods.map(({ metadata }) => metadata.creationTimestamp ?? '').sort();
  return { key, members: members.map((member) => withExpectation(member, around.expected)), since: since[0] ?? '' };
}

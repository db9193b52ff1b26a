import type { NodeState } from './node-state.js';
import type { Terrain } from './terrain.js';
import { costOfLevel } from './topology.js';

/** One end of a link whose place is known. */
export interface End {
  readonly at: NodeState;
  /** How much the link matters. */
  readonly weight: number;
}

/** The links of one pod to its peers, to be asked from many nodes. */
export interface Links {
  /** Sum of the weights; 0 when there is nothing to be near to. */
  readonly weight: number;
  /** Weighted cost of all links if the pod were on this node. */
  costFrom(node: NodeState): number;
}

/** Peers with one fabric are added up, and so are the answers: the cost of asking grows with leaves, not with nodes times pods. */
export function linksTo(ends: Iterable<End>, terrain: Terrain): Links {
  const byFabric = new Map<string, { at: NodeState; weight: number }>();
  const onNode = new Map<string, number>();
  let total = 0;
  for (const { at, weight } of ends) {
    if (weight === 0) continue;
    total += weight;
    const sum = byFabric.get(at.fabric);
    if (sum === undefined) byFabric.set(at.fabric, { at, weight });
    else sum.weight += weight;
    const node = at.domains.node ?? '';
    onNode.set(node, (onNode.get(node) ?? 0) + weight);
  }
  const known = new Map<string, number>();
  const fromFabric = (here: NodeState): number => {
    let cost = known.get(here.fabric);
    if (cost === undefined) {
      cost = 0;
      for (const { at, weight } of byFabric.values()) cost += weight * terrain.fabricDistance(here, at);
      known.set(here.fabric, cost);
    }
    return cost;
  };
  const sameNode = costOfLevel('node', terrain.ladder);
  return {
    weight: total,
    costFrom(here) {
      const shared = here.domains.node === undefined ? 0 : (onNode.get(here.domains.node) ?? 0);
      const cost = fromFabric(here);
      return shared === 0 ? cost : cost - shared * (terrain.fabricDistance(here, here) - sameNode);
    },
  };
}

import type { Pod } from '../../api/kube.js';
import { preferenceWeight, untoleratedPreferences } from '../../core/placement/feasible.js';
import type { NodeState } from '../../core/placement/node-state.js';
import type { Amounts } from '../../core/placement/resources.js';

/** Weights of kube-scheduler's default profile, for the plugins that the lab has. */
const weights = { taintToleration: 3, nodeAffinity: 2, leastAllocated: 1, balancedAllocation: 1 };

/** What a pod that asks for nothing counts as in scores: 100 millicores, 200 MB. */
const assumed = { cpu: 100, memory: 200 * 1024 * 1024 };

/** Points of the lab's own plugins, each normalised to 0..100 and weighted, by node name. */
export function ownScores(pod: Pod, request: Amounts, nodes: readonly NodeState[]): ReadonlyMap<string, number> {
  const affinity = nodes.map(({ node }) => preferenceWeight(pod.spec, node));
  const taints = nodes.map(({ node }) => untoleratedPreferences(pod.spec, node));
  const mostAffinity = Math.max(1, ...affinity);
  const mostTaints = Math.max(1, ...taints);
  return new Map(
    nodes.map((state, index) => {
      const used = usedShare(request, state);
      return [
        state.name,
        weights.nodeAffinity * ((affinity[index] ?? 0) / mostAffinity) * 100 +
          weights.taintToleration * (1 - (taints[index] ?? 0) / mostTaints) * 100 +
          weights.leastAllocated * leastAllocated(used) +
          weights.balancedAllocation * balanced(used),
      ];
    }),
  );
}

interface Share {
  readonly cpu: number;
  readonly memory: number;
}

/** Share of cpu and memory in use once the pod is there, 0..1. */
function usedShare(request: Amounts, { allocatable, free }: NodeState): Share {
  const share = (name: 'cpu' | 'memory'): number => {
    const all = allocatable.get(name) ?? 0;
    if (all === 0) return 0;
    const asked = request.get(name) || assumed[name];
    return Math.min(1, (all - (free.get(name) ?? 0) + asked) / all);
  };
  return { cpu: share('cpu'), memory: share('memory') };
}

const leastAllocated = ({ cpu, memory }: Share): number => Math.floor(((1 - cpu + (1 - memory)) / 2) * 100);

const balanced = ({ cpu, memory }: Share): number => Math.floor((1 - Math.abs(cpu - memory) / 2) * 100);

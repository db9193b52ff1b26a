import type { Pod } from '../../api/kube.js';
import { refusal } from '../../core/placement/feasible.js';
import type { NodeState } from '../../core/placement/node-state.js';
import { type Amounts, lacking, minus } from '../../core/placement/resources.js';

/** What besides bound pods is taken on a node. */
export interface Taken {
  /** Requests of pods that are nominated to the node with at least the same priority. */
  readonly nominated: Amounts;
  /** Host ports in use, as `protocol/port`. */
  readonly ports: ReadonlySet<string>;
}

/** Why a pod cannot go to a node, in the words of kube-scheduler's plugins; empty when it can. */
export function refusals(pod: Pod, request: Amounts, node: NodeState, taken: Taken): readonly string[] {
  const refused = refusal(pod, node.node);
  if (refused !== undefined) return [refused];
  if (hostPortsOf(pod).some((port) => taken.ports.has(port))) {
    return ["node(s) didn't have free ports for the requested pod ports"];
  }
  return lacking(request, minus(node.free, taken.nominated)).map((name) =>
    name === 'pods' ? 'Too many pods' : `Insufficient ${name}`,
  );
}

/** Host ports of the containers; under hostNetwork every container port is one. */
export function hostPortsOf({ spec }: Pod): readonly string[] {
  return spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, containerPort, protocol = 'TCP' }) => {
      const port = hostPort ?? (spec.hostNetwork === true ? containerPort : undefined);
      return port === undefined || port === 0 ? [] : [`${protocol}/${port}`];
    }),
  );
}

/** `0/8 nodes are available: 3 Insufficient nvidia.com/gpu, 5 node(s) had untolerated taint(s).` */
export function unavailable(nodes: number, reasons: ReadonlyMap<string, number>): string {
  if (nodes === 0) return 'no nodes available to schedule pods';
  const counted = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodes} nodes are available: ${counted.join(', ')}.`;
}

import type { Node } from '../../api/kube.js';
import type { Amounts } from './resources.js';
import type { Domains } from './topology.js';

/** One node as placement sees it. */
export interface NodeState {
  readonly name: string;
  readonly node: Node;
  readonly domains: Domains;
  /** All domains but the node itself, as one text: nodes that share it are equally far from all others. */
  readonly fabric: string;
  readonly allocatable: Amounts;
  /** Allocatable less what bound pods ask for; negative where a node is over-committed. */
  readonly free: Amounts;
}

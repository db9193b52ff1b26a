import type { Node, Pod } from '../../api/kube.js';
import { Cluster } from '../../core/placement/cluster.js';
import { holdsResources } from '../../core/placement/group.js';
import type { NodeState } from '../../core/placement/node-state.js';
import { type Amounts, nothing, plus, requestsOf } from '../../core/placement/resources.js';
import type { ObjectStore } from '../../kube/store.js';
import { hostPortsOf, type Taken } from './filters.js';
import { priorityOf } from './queue.js';

/**
 * What the scheduler counts with: what it has seen, and what it has decided and not seen yet. A decided pod counts as on
 * its node from the moment of the choice (kube-scheduler calls it assumed), so that the next choice sees it.
 */
export class Known {
  readonly #cluster = new Cluster();
  readonly #assumed = new Map<string, Pod>();
  readonly #pods: ObjectStore<Pod>;

  constructor(pods: ObjectStore<Pod>) {
    this.#pods = pods;
  }

  get nodes(): readonly NodeState[] {
    return [...this.#cluster.nodes.values()];
  }

  setNode(node: Node): void {
    this.#cluster.setNode(node);
  }

  removeNode(name: string): void {
    this.#cluster.removeNode(name);
  }

  setPod(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    if (pod.spec.nodeName || !holdsResources(pod)) this.#assumed.delete(uid);
    this.#cluster.setPod(this.#assumed.get(uid) ?? pod);
  }

  removePod(pod: Pod): void {
    this.#assumed.delete(pod.metadata.uid ?? '');
    this.#cluster.removePod(pod);
  }

  isAssumed(pod: Pod): boolean {
    return this.#assumed.has(pod.metadata.uid ?? '');
  }

  assume(pod: Pod, node: string): void {
    const assumed = { ...pod, spec: { ...pod.spec, nodeName: node } };
    this.#assumed.set(pod.metadata.uid ?? '', assumed);
    this.#cluster.setPod(assumed);
  }

  /** The binding failed: the pod counts as what was last seen of it. */
  forget(pod: Pod): void {
    this.#assumed.delete(pod.metadata.uid ?? '');
    const seen = this.#pods.get(pod.metadata.namespace, pod.metadata.name ?? '');
    if (seen === undefined) this.#cluster.removePod(pod);
    else this.#cluster.setPod(seen);
  }

  /** For one pod: what others have or will have on each node beyond the requests of bound pods. */
  takenFor(pod: Pod): (node: string) => Taken {
    const nominated = new Map<string, Amounts>();
    const ports = new Map<string, Set<string>>();
    for (const seen of this.#pods.list()) {
      if (seen.metadata.uid === pod.metadata.uid || !holdsResources(seen)) continue;
      const other = this.#assumed.get(seen.metadata.uid ?? '') ?? seen;
      const { nodeName } = other.spec;
      if (nodeName) for (const port of hostPortsOf(other)) addTo(ports, nodeName, port);
      else if (priorityOf(other) >= priorityOf(pod)) addNomination(nominated, other);
    }
    return (node) => ({ nominated: nominated.get(node) ?? nothing, ports: ports.get(node) ?? new Set() });
  }
}

function addNomination(nominated: Map<string, Amounts>, pod: Pod): void {
  const node = pod.status?.nominatedNodeName;
  if (node) nominated.set(node, plus(nominated.get(node) ?? nothing, requestsOf(pod)));
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key) ?? new Set<string>();
  sets.set(key, set.add(value));
}

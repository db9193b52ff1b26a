import type { Node, Pod } from '../../api/kube.js';
import { type GroupKey, groupKeyOf, holdsResources } from './group.js';
import type { NodeState } from './node-state.js';
import { type Amounts, amountsOf, minus, nothing, plus, requestsOf } from './resources.js';
import { fabricOf, Terrain } from './terrain.js';
import { defaultLadder, domainsOfNode, type Ladder } from './topology.js';

interface Held {
  readonly node: string | undefined;
  readonly request: Amounts;
  readonly group: GroupKey | undefined;
  /** What else of the pod an answer depends on. */
  readonly rest: string;
}

/**
 * Nodes, what is free on them, and the pods by serving group; kept current by telling it of each change. Holds no clock
 * and does no I/O. A pod bound to a node that is not known yet counts as soon as the node is.
 */
export class Cluster {
  readonly ladder: Ladder;
  readonly #nodes = new Map<string, Mutable<NodeState>>();
  readonly #used = new Map<string, Amounts>();
  readonly #held = new Map<string, Held>();
  readonly #groups = new Map<GroupKey, Map<string, Pod>>();
  #version = 0;
  #terrain: Terrain | undefined;

  constructor(ladder: Ladder = defaultLadder) {
    this.ladder = ladder;
  }

  /** Grows whenever an answer might change: what was computed for one version holds while it stays. */
  get version(): number {
    return this.#version;
  }

  get nodes(): ReadonlyMap<string, NodeState> {
    return this.#nodes;
  }

  /** The same nodes by domain; what is free on them stays current in it. */
  get terrain(): Terrain {
    this.#terrain ??= new Terrain(this.#nodes, this.ladder);
    return this.#terrain;
  }

  /** Group keys in the order in which their first pod was seen. */
  get groups(): Iterable<GroupKey> {
    return this.#groups.keys();
  }

  podsOf(group: GroupKey): readonly Pod[] {
    return [...(this.#groups.get(group)?.values() ?? [])];
  }

  /** A node was added or changed. Heartbeats change nothing and do not touch the version. */
  setNode(node: Node): void {
    const name = node.metadata.name;
    if (name === undefined) return;
    const old = this.#nodes.get(name);
    if (old !== undefined && sameForPlacement(old.node, node)) return;
    const allocatable = amountsOf(node.status?.allocatable ?? node.status?.capacity);
    const free = minus(allocatable, this.#used.get(name) ?? nothing);
    const domains = domainsOfNode(node, this.ladder);
    this.#nodes.set(name, { name, node, domains, fabric: fabricOf(domains), allocatable, free });
    this.#terrain = undefined;
    this.#version++;
  }

  removeNode(name: string): void {
    if (!this.#nodes.delete(name)) return;
    this.#terrain = undefined;
    this.#version++;
  }

  /** A pod was added or changed. Probes and conditions change nothing and do not touch the version. */
  setPod(pod: Pod): void {
    const key = podKey(pod);
    const held = heldBy(pod);
    const old = this.#held.get(key);
    if (old !== undefined && sameHeld(old, held)) {
      if (held.group !== undefined) this.#groups.get(held.group)?.set(key, pod);
      return;
    }
    this.#forget(key);
    this.#held.set(key, held);
    if (held.node !== undefined) this.#use(held.node, plus(this.#used.get(held.node) ?? nothing, held.request));
    if (held.group !== undefined) {
      const pods = this.#groups.get(held.group) ?? new Map<string, Pod>();
      this.#groups.set(held.group, pods.set(key, pod));
    }
    this.#version++;
  }

  removePod(pod: Pod): void {
    if (this.#forget(podKey(pod))) this.#version++;
  }

  #forget(key: string): boolean {
    const held = this.#held.get(key);
    if (held === undefined) return false;
    this.#held.delete(key);
    if (held.node !== undefined) this.#use(held.node, minus(this.#used.get(held.node) ?? nothing, held.request));
    if (held.group !== undefined) {
      const pods = this.#groups.get(held.group);
      pods?.delete(key);
      if (pods?.size === 0) this.#groups.delete(held.group);
    }
    return true;
  }

  #use(name: string, used: Amounts): void {
    const left = new Map([...used].filter(([, amount]) => amount !== 0));
    if (left.size === 0) this.#used.delete(name);
    else this.#used.set(name, left);
    const state = this.#nodes.get(name);
    if (state !== undefined) state.free = minus(state.allocatable, left);
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const podKey = ({ metadata }: Pod): string => `${metadata.namespace ?? 'default'}/${metadata.name ?? ''}`;

function heldBy(pod: Pod): Held {
  const { uid, deletionTimestamp, labels } = pod.metadata;
  return {
    node: holdsResources(pod) ? pod.spec.nodeName || undefined : undefined,
    request: requestsOf(pod),
    group: groupKeyOf(pod),
    rest: JSON.stringify([uid, deletionTimestamp, pod.status?.nominatedNodeName, holdsResources(pod), labels]),
  };
}

function sameHeld(a: Held, b: Held): boolean {
  if (a.node !== b.node || a.group !== b.group || a.rest !== b.rest || a.request.size !== b.request.size) return false;
  return [...a.request].every(([name, amount]) => b.request.get(name) === amount);
}

function sameForPlacement(a: Node, b: Node): boolean {
  const relevant = (node: Node) => JSON.stringify([node.metadata.labels, node.spec, node.status?.allocatable]);
  return relevant(a) === relevant(b);
}

import type { NodeState } from './node-state.js';
import { type Amounts, minus, plus } from './resources.js';

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

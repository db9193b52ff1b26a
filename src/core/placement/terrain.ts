import { type Level, levels } from '../../api/names.js';
import type { NodeState } from './node-state.js';
import { costOfLevel, type Domains, type Ladder, nearestLevel } from './topology.js';

/** The nodes that share one domain at one level. */
export interface Domain {
  readonly level: Level | undefined;
  readonly name: string | undefined;
  /** Unique, also where two zones number their racks alike. */
  readonly key: string;
  readonly nodes: readonly NodeState[];
}

/** The nodes of a cluster, sorted, by domain and with their distances. Made anew when a node comes, goes or moves. */
export class Terrain {
  readonly ladder: Ladder;
  readonly byName: ReadonlyMap<string, NodeState>;
  readonly nodes: readonly NodeState[];
  readonly #domains = new Map<Level | undefined, readonly Domain[]>();
  readonly #distances = new Map<string, Map<string, number>>();
  readonly #sameNode: number;

  constructor(byName: ReadonlyMap<string, NodeState>, ladder: Ladder) {
    this.ladder = ladder;
    this.byName = byName;
    this.nodes = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#sameNode = costOfLevel('node', ladder);
  }

  /** The domains of a level, sorted by key; at no level the whole cluster is one. */
  domainsAt(level: Level | undefined): readonly Domain[] {
    const known = this.#domains.get(level);
    if (known !== undefined) return known;
    const domains = level === undefined ? [{ level, name: undefined, key: '', nodes: this.nodes }] : this.#group(level);
    this.#domains.set(level, domains);
    return domains;
  }

  distance(a: NodeState, b: NodeState): number {
    return isSameNode(a, b) ? this.#sameNode : this.fabricDistance(a, b);
  }

  /** Distance as if the two were different nodes. */
  fabricDistance(a: NodeState, b: NodeState): number {
    const row = this.#distances.get(a.fabric) ?? new Map<string, number>();
    const known = row.get(b.fabric);
    if (known !== undefined) return known;
    const { node: _, ...here } = a.domains;
    const cost = costOfLevel(nearestLevel(here, b.domains), this.ladder);
    this.#distances.set(a.fabric, row.set(b.fabric, cost));
    return cost;
  }

  #group(level: Level): readonly Domain[] {
    const byKey = new Map<string, { name: string; nodes: NodeState[] }>();
    for (const node of this.nodes) {
      const name = node.domains[level];
      if (name === undefined) continue;
      const key = domainKey(node.domains, name);
      const domain = byKey.get(key) ?? { name, nodes: [] };
      domain.nodes.push(node);
      byKey.set(key, domain);
    }
    const domains = [...byKey].map(([key, domain]) => ({ level, key, ...domain }));
    return domains.sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

/** All domains but the node itself: nodes that share it are equally far from every other node. */
export function fabricOf(domains: Domains): string {
  return levels.map((level) => (level === 'node' ? '' : (domains[level] ?? ''))).join('\n');
}

/** Whether a node belongs to a domain. */
export function isIn({ domains }: NodeState, { level, key }: Domain): boolean {
  if (level === undefined) return true;
  const name = domains[level];
  return name !== undefined && domainKey(domains, name) === key;
}

const isSameNode = (a: NodeState, b: NodeState): boolean =>
  a.domains.node !== undefined && a.domains.node === b.domains.node;

const domainKey = ({ region = '', zone = '' }: Domains, name: string): string => `${region}/${zone}/${name}`;

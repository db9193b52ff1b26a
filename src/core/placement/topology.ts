import { type Level, levels, topologyLabel } from '../../api/names.js';

/** The domain of one node at each level that its labels tell; a level that no label tells is absent. */
export type Domains = Readonly<Partial<Record<Level, string>>>;

/** One level of the ladder: which node labels name its domain, and what a KV transfer inside it costs. */
export interface Rung {
  readonly level: Level;
  /** Relative cost of a link whose two ends share this level and no nearer one; unit-free, lower is nearer. */
  readonly cost: number;
  /** Node label keys; the first one present on the node wins. */
  readonly sources: readonly string[];
}

export interface Ladder {
  /** Nearest first, in the order of `levels`. */
  readonly rungs: readonly Rung[];
  /** Cost of a link whose ends share no known level. */
  readonly beyond: number;
}

/** Changes to the default ladder, as a settings file writes them. */
export interface LadderSettings {
  readonly costs?: Readonly<Partial<Record<Level | 'beyond', number>>>;
  /** Label keys asked before the default ones. */
  readonly sources?: Readonly<Partial<Record<Level, readonly string[]>>>;
}

const rung = (level: Level, cost: number, ...wellKnown: readonly string[]): Rung => ({
  level,
  cost,
  sources: [topologyLabel(level), ...wellKnown],
});

/**
 * Our own label first, then what clouds, vendors and discovery tools write (scheduler-extender 4.1, 4.2). AWS numbers its
 * layers from the top, so the highest number is the nearest; Topograph numbers tiers from the bottom.
 */
export const defaultLadder: Ladder = {
  rungs: [
    rung('node', 0, 'kubernetes.io/hostname'),
    rung(
      'domain',
      1,
      'nvidia.com/gpu.clique',
      'network.topology.nvidia.com/accelerator',
      'accelerator.topograph.run/sub-domain',
      'accelerator.topograph.run/domain',
      'volcano.sh/hypernode',
    ),
    rung(
      'leaf',
      5,
      'network.topology.nvidia.com/leaf',
      'fabric.topograph.run/tier-0',
      'topology.k8s.aws/network-node-layer-3',
      'cloud.google.com/gce-topology-subblock',
      'alibabacloud.com/asw-id',
    ),
    rung(
      'rack',
      15,
      'topology.kubernetes.io/rack',
      'network.topology.nvidia.com/spine',
      'fabric.topograph.run/tier-1',
      'topology.k8s.aws/network-node-layer-2',
      'cloud.google.com/gce-topology-block',
      'alibabacloud.com/point-of-delivery',
    ),
    rung('zone', 50, 'topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'),
    rung('region', 200, 'topology.kubernetes.io/region', 'failure-domain.beta.kubernetes.io/region'),
  ],
  beyond: 1000,
};

/** The default ladder with other costs and more label keys. Costs are kept non-decreasing: a farther level never costs less. */
export function ladderFrom(settings: LadderSettings = {}): Ladder {
  let floor = 0;
  const atLeast = (cost: number): number => {
    floor = Math.max(floor, Number.isFinite(cost) ? cost : 0);
    return floor;
  };
  const rungs = defaultLadder.rungs.map(({ level, cost, sources }) => ({
    level,
    cost: atLeast(settings.costs?.[level] ?? cost),
    sources: [...(settings.sources?.[level] ?? []), ...sources],
  }));
  return { rungs, beyond: atLeast(settings.costs?.beyond ?? defaultLadder.beyond) };
}

/** The domain at each level, read from the labels of a node, or of a pod whose binding was stamped. Empty values count as absent. */
export function domainsOf(
  labels: Readonly<Record<string, string>> | undefined,
  ladder: Ladder = defaultLadder,
): Domains {
  const domains: Partial<Record<Level, string>> = {};
  for (const { level, sources } of ladder.rungs) {
    const key = sources.find((source) => labels?.[source]);
    const value = key === undefined ? undefined : labels?.[key];
    if (value !== undefined) domains[level] = value;
  }
  return domains;
}

/** The domains of a Node object: its own name stands in where no label names the node. */
export function domainsOfNode(
  node: { readonly metadata: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> } },
  ladder: Ladder = defaultLadder,
): Domains {
  const { name, labels } = node.metadata;
  return { ...(name !== undefined && { node: name }), ...domainsOf(labels, ladder) };
}

/**
 * The nearest level that both ends are known to share; undefined when there is none. An unknown domain matches nothing.
 * Racks and leaves are often numbered again in each zone, so ends in different zones or regions share nothing nearer.
 */
export function nearestLevel(a: Domains, b: Domains): Level | undefined {
  if (differ(a.region, b.region)) return undefined;
  if (differ(a.zone, b.zone)) return a.region !== undefined && a.region === b.region ? 'region' : undefined;
  return levels.find((level) => a[level] !== undefined && a[level] === b[level]);
}

/** Cost of the link between two ends. */
export function distance(a: Domains, b: Domains, ladder: Ladder = defaultLadder): number {
  return costOfLevel(nearestLevel(a, b), ladder);
}

/** Cost of a link that shares `level` and no nearer one; undefined means no known level is shared. */
export function costOfLevel(level: Level | undefined, ladder: Ladder = defaultLadder): number {
  if (level === undefined) return ladder.beyond;
  return ladder.rungs.find((rung) => rung.level === level)?.cost ?? ladder.beyond;
}

/** Whether sharing `level` is at least as near as sharing `wanted`. */
export function isWithin(level: Level | undefined, wanted: Level): boolean {
  return level !== undefined && levels.indexOf(level) <= levels.indexOf(wanted);
}

function differ(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}

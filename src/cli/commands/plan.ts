import type { Node, Pod } from '../../api/kube.js';
import { entryPodName, groupName, labels, podName } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import { servingAsRun } from '../../core/expand/serving.js';
import { defaultExpandSettings } from '../../core/expand/types.js';
import { planAll } from '../../core/placement/advice.js';
import { clusterOf } from '../../core/placement/summary.js';
import type { RawObject } from '../../kube/client.js';
import { nodes, pods } from '../../kube/resources.js';
import { loadFleet } from '../../lab/fleet/fleet.js';
import { loadProfiles } from '../../settings/profiles.js';
import { openCluster } from '../cluster.js';
import { readServings } from '../servings.js';
import { alignRows } from '../table.js';

export interface Options {
  readonly filename: readonly string[];
  readonly nodes?: string;
  readonly kubeconfig?: string;
  readonly profiles?: string;
  readonly output?: 'json';
}

interface PlannedGroup {
  readonly group: string;
  readonly level: string;
  readonly domain: string;
  readonly cost: number;
  readonly complete: boolean;
  readonly pods: readonly { readonly name: string; readonly node: string }[];
}

export async function run(options: Options): Promise<number> {
  const servings = readServings(options.filename);
  const profiles = await loadProfiles(options.profiles);
  const expanded = servings.map((serving) => {
    const placed = { ...serving, metadata: { namespace: 'default', ...serving.metadata } };
    return servingAsRun(placed, profiles, defaultExpandSettings);
  });
  const planned = planServings(expanded, await observe(options));
  if (options.output === 'json') process.stdout.write(`${JSON.stringify(planned, null, 2)}\n`);
  else for (const group of planned) print(group);
  return planned.every(({ complete }) => complete) ? 0 : 1;
}

async function observe(options: Options): Promise<{ nodes: readonly Node[]; pods: readonly Pod[] }> {
  if (options.nodes !== undefined) return { nodes: await loadFleet(options.nodes), pods: [] };
  const abort = new AbortController();
  const { client } = await openCluster('plan', options.kubeconfig, abort.signal);
  try {
    const [allNodes, allPods] = await Promise.all([
      client.list<Node & RawObject>(nodes),
      client.list<Pod & RawObject>(pods),
    ]);
    return { nodes: allNodes.items, pods: allPods.items };
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

/** The plan of each group, as the extender would follow it, as if the servings were created now. */
export function planServings(
  servings: readonly ModelServing[],
  observed: { readonly nodes: readonly Node[]; readonly pods: readonly Pod[] },
): readonly PlannedGroup[] {
  const seeds = servings.flatMap(firstPods);
  const cluster = clusterOf(observed.nodes, [...observed.pods, ...seeds]);
  const known = new Map(servings.map((serving) => [`${serving.metadata.namespace}/${serving.metadata.name}`, serving]));
  const { plans } = planAll({ cluster, servings: known, expected: new Map() });
  return [...plans].map(([group, plan]) => ({
    group,
    level: plan.level ?? 'none',
    domain: plan.domain ?? '',
    cost: plan.cost,
    complete: plan.complete,
    pods: [...plan.nodes].map(([name, node]) => ({ name, node })).sort((a, b) => (a.name < b.name ? -1 : 1)),
  }));
}

/** One pending entry pod per group makes the group known; the planner adds the other slots from the serving itself. */
function firstPods(serving: ModelServing): readonly Pod[] {
  const { name = '', namespace = 'default' } = serving.metadata;
  const [role] = serving.spec.template.roles;
  const spec = role?.entryTemplate.spec;
  if (!role || !spec) return [];
  return Array.from({ length: serving.spec.replicas ?? 1 }, (_, group) => {
    const slot = { serving: name, group, role: role.name, instance: 0, index: 0 };
    return {
      metadata: {
        name: podName(slot),
        namespace,
        uid: entryPodName(slot),
        labels: {
          [labels.name]: name,
          [labels.groupName]: groupName(name, group),
          [labels.role]: role.name,
          [labels.roleId]: `${role.name}-0`,
          [labels.entry]: 'true',
        },
      },
      spec,
    };
  });
}

function print({ group, level, domain, cost, complete, pods: placed }: PlannedGroup): void {
  const where = level === 'none' ? 'no level holds the whole group' : `${level} ${domain}, cost ${cost}`;
  process.stdout.write(`${group}  ${where}${complete ? '' : '  (not every pod finds room)'}\n`);
  for (const line of alignRows(placed.map(({ name, node }) => ['  ', name, node]))) process.stdout.write(`${line}\n`);
}

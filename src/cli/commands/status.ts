import type { Node, Pod } from '../../api/kube.js';
import { labels } from '../../api/names.js';
import { modelServings } from '../../api/resources.js';
import type { ModelServing } from '../../api/types.js';
import { groupKeyOf } from '../../core/placement/group.js';
import { clusterOf, describePlacement, summarisePlacement } from '../../core/placement/summary.js';
import type { KubeClient } from '../../kube/client.js';
import { nodes, pods } from '../../kube/resources.js';
import { openCluster } from '../cluster.js';
import { cliErrors } from '../errors.js';
import { alignRows } from '../table.js';

export interface Options {
  readonly namespace?: string;
  readonly kubeconfig?: string;
  readonly output?: 'json';
}

interface Observed {
  readonly servings: readonly ModelServing[];
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
}

export async function run(options: Options, name?: string): Promise<number> {
  const abort = new AbortController();
  const { client } = await openCluster('status', options.kubeconfig, abort.signal);
  try {
    const observed = await observe(client, options.namespace);
    const report = reportOf(observed, name);
    if (name !== undefined && report.length === 0)
      throw cliErrors('no-such-serving', {
        name,
        namespace: options.namespace === undefined ? 'any namespace' : `namespace ${options.namespace}`,
      });
    process.stdout.write(options.output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : printed(report));
    return 0;
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

async function observe(client: KubeClient, namespace: string | undefined): Promise<Observed> {
  const where = namespace === undefined ? {} : { namespace };
  const [servings, ours, all] = await Promise.all([
    client.list<ModelServing & { metadata: object }>(modelServings, where),
    client.list<Pod & { metadata: object }>(pods, { ...where, labelSelector: labels.groupName }),
    client.list<Node & { metadata: object }>(nodes),
  ]);
  return { servings: servings.items, pods: ours.items, nodes: all.items };
}

export interface ServingReport {
  readonly namespace: string;
  readonly name: string;
  readonly replicas: number;
  readonly available: number;
  readonly groups: readonly { readonly name: string; readonly placement: string; readonly pods: readonly PodRow[] }[];
}

export interface PodRow {
  readonly name: string;
  readonly role: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly node: string;
  readonly ip: string;
}

/** What a person wants to know about each serving, from plain lists. */
export function reportOf(observed: Observed, only?: string): readonly ServingReport[] {
  const cluster = clusterOf(observed.nodes, observed.pods);
  return observed.servings
    .filter(({ metadata }) => only === undefined || metadata.name === only)
    .map(({ metadata, spec, status }) => {
      const own = observed.pods.filter(
        (pod) => pod.metadata.namespace === metadata.namespace && pod.metadata.labels?.[labels.name] === metadata.name,
      );
      const keys = [...new Set(own.map((pod) => groupKeyOf(pod)).filter((key) => key !== undefined))].sort();
      return {
        namespace: metadata.namespace ?? '',
        name: metadata.name ?? '',
        replicas: spec.replicas ?? 1,
        available: status?.availableReplicas ?? 0,
        groups: keys.map((key) => {
          const summary = summarisePlacement(cluster, key);
          return {
            name: key,
            placement: summary ? describePlacement(summary) : 'nothing placed',
            pods: own.filter((pod) => groupKeyOf(pod) === key).map(rowOf),
          };
        }),
      };
    });
}

function rowOf(pod: Pod): PodRow {
  const { metadata, spec, status = {} } = pod;
  return {
    name: metadata.name ?? '',
    role: metadata.labels?.[labels.role] ?? '',
    phase: metadata.deletionTimestamp ? 'Terminating' : (status.phase ?? 'Pending'),
    ready: isReady(pod),
    node: spec.nodeName ?? '<none>',
    ip: status.podIP ?? '<none>',
  };
}

const isReady = ({ status }: Pod): boolean =>
  (status?.conditions ?? []).some(({ type, status: value }) => type === 'Ready' && value === 'True');

function printed(report: readonly ServingReport[]): string {
  if (report.length === 0) return 'no ModelServing here; apply one, for example config/samples/terse-gpu.yaml\n';
  const lines = report.flatMap((serving) => [
    `${serving.namespace}/${serving.name}  ${serving.available} of ${serving.replicas} serving groups available`,
    ...serving.groups.flatMap((group) => [
      `  ${group.name}  ${group.placement}`,
      ...alignRows(
        group.pods.map((pod) => [
          '   ',
          pod.name,
          pod.role,
          pod.phase,
          pod.ready ? 'ready' : 'not ready',
          pod.node,
          pod.ip,
        ]),
      ),
    ]),
  ]);
  return `${lines.join('\n')}\n`;
}

import type { Pod } from '../../api/kube.js';
import { labels, tandemKeys } from '../../api/names.js';
import type { ModelServer } from '../../api/types.js';
import { type Domains, domainsOf } from '../placement/topology.js';
import type { Side } from '../reading/types.js';

/** One pod that a ModelServer may send requests to, with what pairing needs of it. */
export interface Endpoint {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly ip: string;
  readonly port: number;
  readonly tls: boolean;
  /** Value of the group key; undefined when the pod is in no PD group. */
  readonly group: string | undefined;
  readonly side: Side;
  /** KV fingerprint; undefined when nothing stamped the pod. */
  readonly fingerprint: string | undefined;
  readonly domains: Domains;
  /** Dialect label; undefined when nothing stamped the pod. */
  readonly dialect: string | undefined;
}

type Labels = Readonly<Record<string, string>>;

/** True when every wanted label is on the pod with that value. */
export function carries(have: Labels | undefined, want: Labels | undefined): boolean {
  for (const key in want) {
    if (have?.[key] !== want[key]) return false;
  }
  return true;
}

/**
 * Ready, addressed and not going away. A pod without any condition (an object file written by hand) counts as ready as
 * soon as it has an address.
 */
export function isServing({ metadata, status }: Pod): boolean {
  if (metadata.deletionTimestamp !== undefined || !status?.podIP) return false;
  const { conditions } = status;
  return conditions === undefined || conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

/** Workers of a multi-pod role instance carry the role's labels too, but only the entry pod answers requests. */
export function isWorker({ metadata }: Pod): boolean {
  return metadata.labels?.[labels.roleId] !== undefined && metadata.labels[labels.entry] !== 'true';
}

/** The pods that this ModelServer selects, whether ready or not. An empty selector selects nothing. */
export function selectedPods(server: ModelServer, pods: readonly Pod[]): readonly Pod[] {
  const { matchLabels } = server.spec.workloadSelector;
  if (matchLabels === undefined || Object.keys(matchLabels).length === 0) return [];
  return pods.filter(
    ({ metadata }) => metadata.namespace === server.metadata.namespace && carries(metadata.labels, matchLabels),
  );
}

/** What a pod is told apart by. One from a file may have no uid. */
export function uidOf({ metadata }: Pod): string {
  return metadata.uid ?? `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
}

/** What the ModelServer's port and group selector make of a pod that serves; undefined while it does not. */
export function endpointOf(server: ModelServer, pod: Pod): Endpoint | undefined {
  if (!isServing(pod) || isWorker(pod)) return undefined;
  const { workloadPort, workloadSelector } = server.spec;
  const { labels: own = {}, name = '', namespace = '' } = pod.metadata;
  const side = sideOf(workloadSelector.pdGroup, own);
  return {
    uid: uidOf(pod),
    name,
    namespace,
    ip: String(pod.status?.podIP),
    port: workloadPort.port,
    tls: workloadPort.protocol === 'https',
    group: groupOf(workloadSelector.pdGroup, side, own),
    side,
    fingerprint: own[tandemKeys.kvFingerprint.key],
    domains: domainsOf(own),
    dialect: own[tandemKeys.dialect.key],
  };
}

function groupOf(pdGroup: PdGroup, side: Side, own: Labels): string | undefined {
  return pdGroup && side !== 'aggregated' ? own[pdGroup.groupKey] : undefined;
}

type PdGroup = ModelServer['spec']['workloadSelector']['pdGroup'];

/** Decode is asked first, as Kthena does: a pod that matches both is decode only. Without a group value a pod has no side. */
function sideOf(pdGroup: PdGroup, own: Labels): Side {
  if (!pdGroup || !own[pdGroup.groupKey]) return 'aggregated';
  if (carries(own, pdGroup.decodeLabels)) return 'decode';
  return carries(own, pdGroup.prefillLabels) ? 'prefill' : 'aggregated';
}

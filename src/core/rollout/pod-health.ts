import type { ContainerStatus, Pod } from '../../api/kube.js';
import type { Instant } from '../../base/clock.js';
import { isObject } from '../../base/json.js';

/** Running, and every readiness gate and probe says yes. */
export function isReady(pod: Pod): boolean {
  return pod.status?.phase === 'Running' && readyCondition(pod)?.status === 'True';
}

/**
 * Since when a pod counts as broken: it has ended, or a container was restarted and the pod is not ready.
 * A ready pod is never broken, however often it was restarted.
 */
export function brokenSince(pod: Pod): Instant | undefined {
  if (isReady(pod) || !isBroken(pod)) return undefined;
  const times = [readyCondition(pod)?.lastTransitionTime, ...containersOf(pod).map(lastEnd)].flatMap(instants);
  return times.length > 0 ? Math.max(...times) : (instants(pod.metadata.creationTimestamp)[0] ?? 0);
}

function isBroken(pod: Pod): boolean {
  const { phase } = pod.status ?? {};
  const ended = phase === 'Failed' || phase === 'Succeeded'; // a server that ends by itself serves nobody
  return ended || containersOf(pod).some(({ restartCount = 0 }) => restartCount > 0);
}

const containersOf = ({ status }: Pod): readonly ContainerStatus[] => [
  ...(status?.containerStatuses ?? []),
  ...(status?.initContainerStatuses ?? []),
];

/** The annotation that Kubernetes itself reads when it scales down a ReplicaSet; 0 when absent or unreadable. */
export function deletionCost({ metadata }: Pod): number {
  const cost = metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  return cost !== undefined && /^[+-]?\d{1,10}$/.test(cost) ? Number(cost) : 0;
}

const readyCondition = ({ status }: Pod) => status?.conditions?.find(({ type }) => type === 'Ready');

/** When the container last ended, as the kubelet reports it. */
function lastEnd(container: ContainerStatus): string | undefined {
  for (const state of [container['state'], container['lastState']]) {
    const terminated = isObject(state) ? state['terminated'] : undefined;
    if (isObject(terminated) && typeof terminated['finishedAt'] === 'string') return terminated['finishedAt'];
  }
  return undefined;
}

function instants(time: string | null | undefined): Instant[] {
  const parsed = time ? Date.parse(time) : Number.NaN;
  return Number.isNaN(parsed) ? [] : [parsed];
}

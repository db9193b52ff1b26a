import type { Pod } from '../../api/kube.js';
import type { Clock } from '../../base/clock.js';
import type { KubeClient, RawObject } from '../../kube/client.js';
import type { EventRecorder } from '../../kube/event-recorder.js';
import { pods } from '../../kube/resources.js';

/** Writes a choice down: the Binding subresource is how a pod gets its node. */
export async function bind(client: KubeClient, pod: Pod, node: string, events: EventRecorder): Promise<void> {
  const { namespace = 'default', name = '', uid = '' } = pod.metadata;
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name, namespace, uid },
    target: { apiVersion: 'v1', kind: 'Node', name: node },
  };
  await client.create<RawObject>(pods, binding, { namespace, name, subresource: 'binding' });
  events.record(aboutPod(pod), {
    type: 'Normal',
    reason: 'Scheduled',
    message: `Successfully assigned ${namespace}/${name} to ${node}`,
  });
}

export interface Unscheduled {
  readonly reason: 'Unschedulable' | 'SchedulerError';
  readonly message: string;
}

/** Says on the pod and in an Event why it has no node. The condition is only written when it says something new. */
export async function reportUnscheduled(
  client: KubeClient,
  pod: Pod,
  why: Unscheduled,
  { events, clock }: { readonly events: EventRecorder; readonly clock: Clock },
): Promise<void> {
  events.record(aboutPod(pod), { type: 'Warning', reason: 'FailedScheduling', message: why.message });
  const before = pod.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  if (before?.reason === why.reason && before.message === why.message) return;
  const { namespace = 'default', name = '' } = pod.metadata;
  const lastTransitionTime = before?.lastTransitionTime ?? new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const condition = { type: 'PodScheduled', status: 'False', ...why, lastTransitionTime };
  // Strategic, because conditions merge by type: the kubelet's own stay.
  const patch = { status: { conditions: [condition] } };
  await client.patch(pods, { namespace, name, subresource: 'status' }, 'strategic', patch);
}

function aboutPod({ metadata: { namespace = 'default', name = '', uid = '' } }: Pod) {
  return { apiVersion: 'v1', kind: 'Pod', namespace, name, uid };
}

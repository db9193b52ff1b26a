import type { Node } from '../../api/kube.js';
import type { Clock } from '../../base/clock.js';
import type { KubeClient } from '../../kube/client.js';
import { isAlreadyExists } from '../../kube/kube-error.js';
import { nodes } from '../../kube/resources.js';
import { stamp } from './container-run.js';

/** Registers a node as its kubelet would: labels, capacity, addresses, Ready. An existing one is taken over. */
export async function registerNode(client: KubeClient, node: Node, address: string, clock: Clock): Promise<void> {
  const name = node.metadata.name ?? '';
  const status = nodeStatus(node, address, clock);
  try {
    await client.create(nodes, asRaw({ ...node, status }));
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await client.patch(nodes, { name }, 'merge', { metadata: { labels: node.metadata.labels ?? {} } });
  }
  await client.patch(nodes, { name, subresource: 'status' }, 'strategic', { status });
  await untaint(client, name);
}

/** Renews the Ready condition, without which a node controller declares the node lost. */
export async function heartbeat(client: KubeClient, node: Node, address: string, clock: Clock): Promise<void> {
  const where = { name: node.metadata.name ?? '', subresource: 'status' };
  const { conditions } = nodeStatus(node, address, clock);
  await client.patch(nodes, where, 'strategic', { status: { conditions } });
}

/** A new node is tainted not-ready by the API server; where no node controller runs, nobody else takes that away. */
async function untaint(client: KubeClient, name: string): Promise<void> {
  const stored = (await client.get(nodes, { name })) as unknown as Node;
  const taints = stored.spec?.taints ?? [];
  const left = taints.filter(({ key }) => key !== 'node.kubernetes.io/not-ready');
  if (left.length < taints.length) await client.patch(nodes, { name }, 'merge', { spec: { taints: left } });
}

function nodeStatus(node: Node, address: string, clock: Clock) {
  const now = stamp(clock);
  const condition = (type: string, status: string, reason: string, message: string) => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  return {
    capacity: node.status?.capacity ?? {},
    allocatable: node.status?.allocatable ?? node.status?.capacity ?? {},
    addresses: [
      { type: 'InternalIP', address },
      { type: 'Hostname', address: node.metadata.name ?? '' },
    ],
    nodeInfo: {
      architecture: node.metadata.labels?.['kubernetes.io/arch'] ?? 'amd64',
      operatingSystem: 'linux',
      osImage: 'tandem lab',
      kernelVersion: 'lab',
      kubeletVersion: 'v1.36.3',
      kubeProxyVersion: '',
      containerRuntimeVersion: 'tandem-lab://1',
      machineID: '',
      systemUUID: '',
      bootID: '',
    },
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
    ],
  };
}

/** Our interfaces are closed where the client's raw objects are open; the JSON is the same. */
const asRaw = (node: object) => node as Parameters<KubeClient['create']>[1];

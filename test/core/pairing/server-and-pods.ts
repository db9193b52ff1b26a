/** A ModelServer of one PD group and the pods behind it: `p…` is prefill, anything else decode. */
import type { Pod } from '../../../src/api/kube.js';
import { labels } from '../../../src/api/names.js';
import type { ModelServer } from '../../../src/api/types.js';
import { type Endpoint, endpointOf } from '../../../src/core/pairing/endpoint.js';

export const server: ModelServer = {
  metadata: { name: 's', namespace: 'ns' },
  spec: {
    inferenceEngine: 'vLLM',
    workloadPort: { port: 8000 },
    workloadSelector: {
      matchLabels: { app: 'm' },
      pdGroup: { groupKey: labels.groupName, prefillLabels: { role: 'prefill' }, decodeLabels: { role: 'decode' } },
    },
  },
};

export function pod(name: string, more: Record<string, string> = {}, change: Partial<Pod> = {}): Pod {
  const role = name.startsWith('p') ? 'prefill' : 'decode';
  return {
    metadata: { name, namespace: 'ns', uid: name, labels: { app: 'm', role, [labels.groupName]: 'g0', ...more } },
    spec: { containers: [] },
    status: { podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
    ...change,
  };
}
export const endpoint = (name: string, more: Record<string, string> = {}): Endpoint =>
  endpointOf(server, pod(name, more)) as Endpoint;

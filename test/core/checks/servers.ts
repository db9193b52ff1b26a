/** A ModelServer and a ModelRoute beside the example servings, and what differs from them. */
import type { ModelRoute, ModelServer } from '../../../src/api/types.js';

export const server = (spec: object = {}, annotations = {}): ModelServer =>
  ({
    apiVersion: 'networking.serving.volcano.sh/v1alpha1',
    kind: 'ModelServer',
    metadata: { name: 'demo', namespace: 'default', annotations },
    spec: {
      model: 'qwen',
      inferenceEngine: 'vLLM',
      workloadPort: { port: 8000 },
      workloadSelector: {
        matchLabels: { 'modelserving.volcano.sh/name': 'demo' },
        pdGroup: {
          groupKey: 'modelserving.volcano.sh/group-name',
          prefillLabels: { 'modelserving.volcano.sh/role': 'prefill', 'modelserving.volcano.sh/entry': 'true' },
          decodeLabels: { 'modelserving.volcano.sh/role': 'decode', 'modelserving.volcano.sh/entry': 'true' },
        },
      },
      ...spec,
    },
  }) as unknown as ModelServer;
export const selecting = (more: object) => ({ workloadSelector: { ...server().spec.workloadSelector, ...more } });
export const group = (more: object) => selecting({ pdGroup: { ...server().spec.workloadSelector.pdGroup, ...more } });
export const traffic = (trafficPolicy: object) => ({ trafficPolicy });

export const route = (spec: object = {}, name = 'demo'): ModelRoute =>
  ({
    apiVersion: 'networking.serving.volcano.sh/v1alpha1',
    kind: 'ModelRoute',
    metadata: { name, namespace: 'default' },
    spec: { modelName: 'qwen', rules: [{ targetModels: [{ modelServerName: 'demo' }] }], ...spec },
  }) as unknown as ModelRoute;

import type { Container } from '../../../src/api/kube.js';
import type { PodTemplate } from '../../../src/api/types.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { packagedProfiles, servingOf } from './samples.js';

const profiles = packagedProfiles();
export const kv = (connector: string, more: object = {}) => [
  '--kv-transfer-config',
  JSON.stringify({ kv_connector: connector, kv_role: 'kv_producer', ...more }),
];
export const nixl = ['m', ...kv('NixlConnector')];
export const gpus = (count: unknown) => ({ resources: { limits: { 'nvidia.com/gpu': count } } });

interface Given {
  readonly spec?: object;
  readonly metadata?: object;
  readonly annotations?: Record<string, string>;
}
/** The template and its engine after expansion: one hand-written vLLM container in a prefill role. */
export function expanded(
  container: object,
  { spec, metadata, annotations }: Given = {},
): { template: PodTemplate; engine: Container } {
  const engine = { name: 'e', image: 'vllm/vllm-openai:v0.12.0', ...container };
  const role = {
    name: 'prefill',
    entryTemplate: { ...(metadata && { metadata }), spec: { containers: [engine], ...spec } },
  };
  const { object } = expandServing(servingOf(JSON.stringify([role]), annotations), profiles, settings);
  const template = object.spec.template.roles[0]?.entryTemplate ?? {};
  const made = template.spec?.containers.find(({ name }) => name === 'e');
  if (!made) throw new Error('no engine');
  return { template, engine: made };
}

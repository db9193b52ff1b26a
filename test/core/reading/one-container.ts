/** A pod of one container, read with the packaged profiles. */
import type { Container } from '../../../src/api/kube.js';
import { readPodSpec } from '../../../src/core/reading/pod.js';
import type { PodReading } from '../../../src/core/reading/types.js';
import { packagedProfiles } from '../expand/samples.js';

export const profiles = packagedProfiles();
export const vllmImage = 'docker.io/vllm/vllm-openai:v0.11.2';

export function read(
  container: Partial<Container>,
  place: { role?: string; workerReplicas?: number } = {},
): PodReading | undefined {
  return readPodSpec({ containers: [{ name: 'c', ...container }] }, profiles, { path: 'spec', ...place });
}

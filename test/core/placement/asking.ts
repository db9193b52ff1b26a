/** A cluster, and the advice that a pod gets there. */
import type { Node, Pod } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { type Advice, advise, planAll, type Surroundings } from '../../../src/core/placement/advice.js';
import { clusterOf } from '../../../src/core/placement/summary.js';
import { plainPod } from '../../build/cluster.js';

export interface Given {
  readonly nodes: readonly Node[];
  readonly pods?: readonly Pod[];
  readonly servings?: readonly ModelServing[];
  readonly expected?: Readonly<Record<string, string>>;
}

export function around({ nodes, pods = [], servings = [], expected = {} }: Given): Surroundings {
  return {
    cluster: clusterOf(nodes, pods),
    servings: new Map(servings.map((s) => [`${s.metadata.namespace}/${s.metadata.name}`, s])),
    expected: new Map(Object.entries(expected)),
  };
}

export function ask(
  given: Given,
  pod: Pod,
  candidates = given.nodes.map(({ metadata }) => metadata.name ?? ''),
): Advice {
  const surroundings = around(given);
  return advise(surroundings, planAll(surroundings), pod, candidates);
}

export function scoresOf(advice: Advice): Record<string, number> {
  return advice.kind === 'scores' ? Object.fromEntries(advice.scores) : {};
}

/** The names with the highest score. */
export function winners(advice: Advice): string[] {
  const scores = Object.entries(scoresOf(advice));
  const best = Math.max(...scores.map(([, score]) => score));
  return scores.filter(([, score]) => score === best).map(([name]) => name);
}

export const leafOf = (name: string) => name.split('-')[0];
export const serving = (annotations: Record<string, string>, roles: object[] = []): ModelServing =>
  ({
    metadata: { name: 'llm', namespace: 'default', annotations },
    spec: { replicas: 1, template: { roles } },
  }) as unknown as ModelServing;
export const role = (name: string, replicas = 1, devices = 8, workerReplicas = 0) => ({
  name,
  replicas,
  workerReplicas,
  entryTemplate: { spec: plainPod('t', { devices }).spec },
});

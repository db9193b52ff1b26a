/** What the scenarios share: waiting for what a cluster shows, and asking the router. */
import type { Pod } from '../../src/api/kube.js';
import { labels } from '../../src/api/names.js';
import { modelServings } from '../../src/api/resources.js';
import type { ModelServing } from '../../src/api/types.js';
import { isAvailable, until } from '../../src/cli/demo/wait.js';
import type { RawObject } from '../../src/kube/client.js';
import { pods } from '../../src/kube/resources.js';
import type { Cluster } from './cluster.js';

const patience = 90_000;

export async function untilAvailable(cluster: Cluster, namespace: string, name: string): Promise<void> {
  const servings = cluster.watch<ModelServing & RawObject>(modelServings);
  await until(servings, () => isAvailable(servings.get(namespace, name)), AbortSignal.timeout(patience));
}

export async function podsOf(cluster: Cluster, namespace: string, name: string): Promise<readonly Pod[]> {
  const selector = { namespace, labelSelector: `${labels.name}=${name}` };
  return (await cluster.lab.client.list<Pod & RawObject>(pods, selector)).items;
}

export async function untilNoPods(cluster: Cluster, name: string): Promise<void> {
  const left = cluster.watch<RawObject>(pods);
  await until(
    left,
    () => left.list().every(({ metadata }) => metadata.labels?.[labels.name] !== name),
    AbortSignal.timeout(patience),
  );
}

/** The router learns of readiness by its own watch: 503 (or 404 for the route) until then. */
export async function untilRouted(cluster: Cluster, model: string): Promise<void> {
  const end = Date.now() + patience;
  for (;;) {
    const { status } = await post(cluster, '/v1/completions', { model, prompt: 'x', max_tokens: 1 });
    if (status === 200) return;
    if (Date.now() > end) throw new Error(`the router still answers ${status} for ${model}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function post(
  cluster: Cluster,
  path: string,
  body: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${cluster.router}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

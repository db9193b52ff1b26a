/** What the demo shows of one document: apply, expansion, findings, places, the answer and the pair that gave it, the clean-up. */
import type { Node, Pod } from '../../api/kube.js';
import { labels } from '../../api/names.js';
import { modelRoutes, modelServers, modelServings } from '../../api/resources.js';
import type { ModelServing } from '../../api/types.js';
import { groupKeyOf } from '../../core/placement/group.js';
import { clusterOf, describePlacement, summarisePlacement } from '../../core/placement/summary.js';
import type { KubeClient, RawObject } from '../../kube/client.js';
import { isAlreadyExists, isNotFound } from '../../kube/kube-error.js';
import { namespaces, nodes, pods, type Resource } from '../../kube/resources.js';
import type { Manifest } from '../manifests.js';

const kinds: Readonly<Record<string, Resource>> = {
  ModelServing: modelServings,
  ModelServer: modelServers,
  ModelRoute: modelRoutes,
};
/** The order in which the documents delete: routing first, workload last. */
const deletionOrder = [
  ['ModelRoute', modelRoutes],
  ['ModelServer', modelServers],
  ['ModelServing', modelServings],
] as const;

export interface Applied {
  readonly serving: ModelServing;
  readonly modelName: string;
  readonly objects: readonly RawObject[];
}

/** Creates the objects of a document in the order of its files, as `kubectl apply` would. */
export async function applyAll(client: KubeClient, manifests: readonly Manifest[]): Promise<Applied> {
  const objects: RawObject[] = [];
  for (const { object } of manifests) {
    const namespace = object.metadata.namespace ?? 'default';
    await ensureNamespace(client, namespace);
    const resource = kinds[object.kind];
    if (!resource) throw new Error(`the demo cannot apply a ${object.kind}`);
    objects.push(
      await client.create(resource, { ...object, metadata: { ...object.metadata, namespace } }, { namespace }),
    );
  }
  const find = (kind: string) => objects.find((object) => object.kind === kind);
  const serving = find('ModelServing') as unknown as ModelServing;
  const route = find('ModelRoute') as unknown as { spec: { modelName: string } };
  return { serving, modelName: route.spec.modelName, objects };
}

async function ensureNamespace(client: KubeClient, name: string): Promise<void> {
  try {
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

export interface Placed {
  readonly pods: readonly Pod[];
  readonly sentence: string;
}

/** Pods of the serving and how near they lie, one sentence a group. */
export async function placement(client: KubeClient, serving: ModelServing): Promise<Placed> {
  const { namespace = 'default', name = '' } = serving.metadata;
  const [own, all, fleet] = await Promise.all([
    client.list<Pod & RawObject>(pods, { namespace, labelSelector: `${labels.name}=${name}` }),
    client.list<Pod & RawObject>(pods, { labelSelector: labels.groupName }),
    client.list<Node & RawObject>(nodes),
  ]);
  const cluster = clusterOf(fleet.items, all.items);
  const groups = [...new Set(own.items.map((pod) => groupKeyOf(pod)).filter((key) => key !== undefined))];
  const summaries = groups
    .map((group) => summarisePlacement(cluster, group))
    .filter((summary) => summary !== undefined);
  return { pods: own.items, sentence: summaries.map(describePlacement).join('; ') };
}

/** Deletes in the documents' order; absent objects are no error. */
export async function deleteAll(client: KubeClient, objects: readonly RawObject[]): Promise<void> {
  for (const [kind, resource] of deletionOrder) {
    const own = objects.filter((object) => object.kind === kind);
    for (const { metadata } of own) await deleteOne(client, resource, metadata);
  }
}

async function deleteOne(client: KubeClient, resource: Resource, metadata: RawObject['metadata']): Promise<void> {
  const { namespace = 'default', name = '' } = metadata;
  try {
    await client.delete(resource, { namespace, name });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

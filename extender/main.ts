import type { Container, Node, Pod } from '../src/api/kube.js';
import { modelServings } from '../src/api/resources.js';
import type { ModelServing } from '../src/api/types.js';
import type { KubeClient } from '../src/kube/client.js';
import { openObjectFile } from '../src/kube/file-store.js';
import { startReflector } from '../src/kube/reflector.js';
import { nodes, pods } from '../src/kube/resources.js';
import type { ObjectStore } from '../src/kube/store.js';
import type { Logger } from '../src/telemetry/log.js';

export interface ExtenderStores {
  readonly nodes: ObjectStore<Node>;
  readonly pods: ObjectStore<Pod>;
  readonly servings: ObjectStore<ModelServing>;
}

/** Opens what the extender reads, from a cluster or from an objects file; everything ends with the signal. */
export async function openExtenderStores(
  source: { readonly client: KubeClient } | { readonly objects: string },
  logger: Logger,
  signal: AbortSignal,
): Promise<ExtenderStores> {
  if ('objects' in source) {
    const file = await openObjectFile(source.objects, { logger, signal });
    return { nodes: file.store(nodes), pods: file.store(pods), servings: file.store(modelServings) };
  }
  const { client } = source;
  return {
    nodes: startReflector<Node>(client, nodes, { logger, signal, project: projectNode }),
    pods: startReflector<Pod>(client, pods, { logger, signal, project: projectPod }),
    servings: startReflector<ModelServing>(client, modelServings, { logger, signal, project: projectServing }),
  };
}

/** A cluster has many large nodes and pods; only what placement reads is kept. */
function projectNode({ metadata, spec, status }: Node): Node {
  const { managedFields: _, annotations: __, ...kept } = metadata;
  return { metadata: kept, ...(spec && { spec }), status: picked(status ?? {}, ['allocatable', 'capacity']) };
}

function projectPod({ metadata, spec, status }: Pod): Pod {
  const { managedFields: _, annotations: __, ownerReferences: ___, ...kept } = metadata;
  return {
    metadata: kept,
    spec: {
      ...picked(spec, ['nodeName', 'nodeSelector', 'affinity', 'tolerations', 'overhead', 'resources']),
      containers: spec.containers.map(projectContainer),
      initContainers: (spec.initContainers ?? []).map(projectContainer),
    },
    status: picked(status ?? {}, ['phase', 'nominatedNodeName']),
  };
}

function projectContainer({ name, resources, restartPolicy }: Container): Container {
  return { name, ...(resources && { resources }), ...(restartPolicy !== undefined && { restartPolicy }) };
}

function projectServing(serving: ModelServing): ModelServing {
  const { managedFields: _, ...metadata } = serving.metadata;
  return { metadata, spec: serving.spec };
}

/** The named members that are there. */
function picked<T extends object>(from: T, names: readonly string[]): T {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name))) as T;
}

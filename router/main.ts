import type { Pod } from '../src/api/kube.js';
import { modelRoutes, modelServers } from '../src/api/resources.js';
import type { ModelRoute, ModelServer } from '../src/api/types.js';
import type { KubeClient } from '../src/kube/client.js';
import { openObjectFile } from '../src/kube/file-store.js';
import { startReflector } from '../src/kube/reflector.js';
import { pods } from '../src/kube/resources.js';
import type { Logger } from '../src/telemetry/log.js';
import type { Stores } from './directory.js';

/** The objects the router reads, from a cluster (pods, ModelServers and ModelRoutes of all namespaces) or from a file. */
export async function openRouterStores(
  source: { readonly client: KubeClient } | { readonly objects: string },
  logger: Logger,
  signal: AbortSignal,
): Promise<Stores> {
  if ('objects' in source) {
    const file = await openObjectFile(source.objects, { signal, logger });
    return {
      pods: file.store<Pod>(pods),
      modelServers: file.store<ModelServer>(modelServers),
      modelRoutes: file.store<ModelRoute>(modelRoutes),
    };
  }
  const options = { signal, logger };
  const { client } = source;
  return {
    pods: startReflector<Pod>(client, pods, { ...options, project: withoutManagedFields }),
    modelServers: startReflector<ModelServer>(client, modelServers, options),
    modelRoutes: startReflector<ModelRoute>(client, modelRoutes, options),
  };
}

/** Who wrote which field is a third of a pod's size and says nothing about routing. */
function withoutManagedFields(pod: Pod): Pod {
  const { managedFields: _, ...metadata } = pod.metadata;
  return { ...pod, metadata };
}

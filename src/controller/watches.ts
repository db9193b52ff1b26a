/** The live views that the controller decides on. Only fields it reads are kept in memory. */
import type { KubeObject, Pod } from '../api/kube.js';
import { labels, volcano } from '../api/names.js';
import { modelServings } from '../api/resources.js';
import type { ModelServing } from '../api/types.js';
import type { ControllerRevision } from '../core/rollout/observed.js';
import { type Reflector, startReflector } from '../kube/reflector.js';
import { controllerRevisions, pods, services } from '../kube/resources.js';
import { type PodGroupWatch, startPodGroupWatch } from './pod-group-watch.js';
import type { WatchOptions } from './watch-options.js';

export interface Watches {
  readonly servings: Reflector<ModelServing>;
  readonly pods: Reflector<Pod>;
  readonly services: Reflector<KubeObject>;
  readonly revisions: Reflector<ControllerRevision>;
  readonly podGroups: PodGroupWatch;
  readonly synced: Promise<unknown>;
  readonly stopped: Promise<unknown>;
  /** Why decisions cannot be taken yet; undefined when they can. */
  notReady(): string | undefined;
  /** Milliseconds since each watch was heard. */
  lags(now: number): ReadonlyMap<string, number>;
}

export function startWatches(options: WatchOptions): Watches {
  const { client, logger, signal, namespace } = options;
  const common = { logger, signal, ...(namespace === undefined ? {} : { namespace }) };
  const inGroup = { ...common, labelSelector: labels.groupName };
  const all = {
    modelservings: startReflector<ModelServing>(client, modelServings, { ...common, project: withoutManagedFields }),
    pods: startReflector<Pod>(client, pods, { ...inGroup, project: slimPod }),
    services: startReflector<KubeObject>(client, services, { ...inGroup, project: metadataOnly }),
    controllerrevisions: startReflector<ControllerRevision>(client, controllerRevisions, {
      ...common,
      labelSelector: labels.revision,
      project: withoutManagedFields,
    }),
  };
  const podGroups = startPodGroupWatch(options);
  const reflectors = Object.entries(all);
  return {
    servings: all.modelservings,
    pods: all.pods,
    services: all.services,
    revisions: all.controllerrevisions,
    podGroups,
    synced: Promise.all([...reflectors.map(([, reflector]) => reflector.synced), podGroups.synced]),
    stopped: Promise.all([...reflectors.map(([, reflector]) => reflector.stopped), podGroups.stopped]),
    notReady() {
      const waiting = reflectors.filter(([, reflector]) => !reflector.hasSynced).map(([name]) => name);
      if (podGroups.supportFor(volcano.schedulerName) === undefined) waiting.push('podgroups');
      return waiting.length === 0 ? undefined : `waiting for the first list of ${waiting.join(', ')}`;
    },
    lags: (now) => new Map(reflectors.map(([name, { lastActivity }]) => [name, now - (lastActivity ?? now)])),
  };
}

function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _dropped, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function metadataOnly(object: KubeObject): KubeObject {
  const { metadata } = withoutManagedFields(object);
  return { metadata };
}

function slimPod(pod: Pod): Pod {
  const { metadata, status } = withoutManagedFields(pod);
  const { phase, conditions, containerStatuses, initContainerStatuses } = status ?? {};
  return {
    metadata,
    spec: { containers: [] },
    status: {
      ...(phase === undefined ? {} : { phase }),
      ...(conditions === undefined ? {} : { conditions }),
      ...(containerStatuses === undefined ? {} : { containerStatuses }),
      ...(initContainerStatuses === undefined ? {} : { initContainerStatuses }),
    },
  };
}

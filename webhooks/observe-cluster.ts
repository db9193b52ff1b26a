import type { Node } from '../src/api/kube.js';
import { volcano } from '../src/api/names.js';
import { modelRoutes, modelServers, modelServings } from '../src/api/resources.js';
import type { ModelRoute, ModelServer, ModelServing } from '../src/api/types.js';
import { describeError } from '../src/base/errors.js';
import { defaultExpandSettings, type ExpandSettings } from '../src/core/expand/types.js';
import type { Profiles } from '../src/core/profiles/types.js';
import type { ControllerRevision } from '../src/core/rollout/observed.js';
import type { KubeClient, RawObject } from '../src/kube/client.js';
import { isNotFound } from '../src/kube/kube-error.js';
import { type Reflector, startReflector } from '../src/kube/reflector.js';
import { controllerRevisions, crds, nodes, type Resource } from '../src/kube/resources.js';
import type { Logger } from '../src/telemetry/log.js';
import { KnownExpansions } from './mutate/known-expansions.js';
import type { World } from './world.js';

export interface ObserveOptions {
  readonly client: KubeClient;
  readonly profiles: Profiles | (() => Profiles);
  readonly settings?: Partial<ExpandSettings>;
  /** See `World.dialects`. */
  readonly dialects?: readonly string[];
  readonly logger: Logger;
}

export interface Observed {
  readonly world: World;
  readonly stores: readonly Reflector<RawObject>[];
  /** Resolves when everything that decisions need is held: nodes, ModelServings, ModelServers, ModelRoutes, Volcano or not. */
  readonly synced: Promise<unknown>;
}

const defaultScheduler = 'default-scheduler';

/** Watches what decisions look at. Nodes and CRDs are kept by name and labels alone: a cluster has thousands of the one. */
export function observeCluster(options: ObserveOptions, signal: AbortSignal): Observed {
  const { client, logger } = options;
  const watch = <T extends RawObject>(
    resource: Resource,
    more: Partial<Parameters<typeof startReflector<T>>[2]> = {},
  ) => startReflector<T>(client, resource, { logger, signal, ...more });
  const views = {
    nodes: watch<RawObject & Node>(nodes, { project: onlyMetadata }),
    modelServings: watch<RawObject & ModelServing>(modelServings),
    modelServers: watch<RawObject & ModelServer>(modelServers),
    modelRoutes: watch<RawObject & ModelRoute>(modelRoutes),
  };
  const volcanoCrd = watch(crds, { fieldSelector: `metadata.name=${volcano.podGroupCrd}`, project: onlyMetadata });
  const hasVolcano = () =>
    volcanoCrd.hasSynced ? volcanoCrd.get(undefined, volcano.podGroupCrd) !== undefined : undefined;
  const instead = options.settings?.schedulerNames ?? { [volcano.schedulerName]: defaultScheduler };
  const withVolcano = { ...defaultExpandSettings, ...options.settings, schedulerNames: {} };
  const withoutVolcano = { ...withVolcano, schedulerNames: instead };
  const { profiles } = options;
  const findServing = async (namespace: string, name: string) =>
    views.modelServings.get(namespace, name) ??
    (await client.get<RawObject & ModelServing>(modelServings, { namespace, name }).catch(ifNotFound));
  const findRevision = (namespace: string, name: string) =>
    client.get<RawObject & ControllerRevision>(controllerRevisions, { namespace, name }).catch(ifNotFound);
  const stores = [...Object.values(views), volcanoCrd] as unknown as readonly Reflector<RawObject>[];
  const world: World = {
    ...views,
    findServing,
    findRevision,
    expansions: new KnownExpansions(),
    profiles: typeof profiles === 'function' ? profiles : () => profiles,
    // A scheduler is replaced only where it is known to be absent.
    settings: () => (hasVolcano() === false ? withoutVolcano : withVolcano),
    hasVolcano,
    ...(options.dialects && { dialects: options.dialects }),
    fallbackScheduler: instead[volcano.schedulerName] ?? defaultScheduler,
  };
  const synced = Promise.all(stores.map((store) => store.synced));
  // Nobody may be waiting any more when the process stops before everything was read.
  synced.catch((error: unknown) => logger.debug({ error: describeError(error) }, 'stopped before everything was read'));
  return { world, stores, synced };
}

function ifNotFound(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}

function onlyMetadata<T extends RawObject>(object: T): T {
  const { name, uid, resourceVersion, labels } = object.metadata;
  return { metadata: { name, uid, resourceVersion, labels } } as unknown as T;
}

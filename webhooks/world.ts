import type { Node } from '../src/api/kube.js';
import type { ModelRoute, ModelServer, ModelServing } from '../src/api/types.js';
import type { CheckContext } from '../src/core/checks/context.js';
import { readAsRun } from '../src/core/expand/serving.js';
import type { ExpandSettings } from '../src/core/expand/types.js';
import type { Profiles } from '../src/core/profiles/types.js';
import type { ServingReading } from '../src/core/reading/types.js';
import type { ControllerRevision } from '../src/core/rollout/observed.js';
import type { RawObject } from '../src/kube/client.js';
import type { ObjectStore } from '../src/kube/store.js';
import type { KnownExpansions } from './mutate/known-expansions.js';

/** What admission knows beside the object under review: live views that a decision only reads. */
export interface World {
  readonly profiles: () => Profiles;
  /** One object as long as nothing changes. */
  readonly settings: () => ExpandSettings;
  readonly expansions: KnownExpansions;
  readonly nodes: ObjectStore<RawObject & Node>;
  readonly modelServings: ObjectStore<RawObject & ModelServing>;
  /**
   * One ModelServing, from the API server itself when the view does not hold it: a controller may be quicker than our watch,
   * and a pod that is expanded without its serving stays incomplete.
   */
  readonly findServing: (namespace: string, name: string) => Promise<ModelServing | undefined>;
  /** What a revision of a serving was, from the API server itself; undefined when there is none of the name. */
  readonly findRevision: (namespace: string, name: string) => Promise<ControllerRevision | undefined>;
  readonly modelServers: ObjectStore<RawObject & ModelServer>;
  readonly modelRoutes: ObjectStore<RawObject & ModelRoute>;
  /** Whether Volcano's PodGroup CRD is installed; undefined until it is known. */
  readonly hasVolcano: () => boolean | undefined;
  readonly fallbackScheduler: string;
  /** The protocols that the router speaks, by the names of connector profiles; undefined when another router is in use. */
  readonly dialects?: readonly string[];
}

/** The objects of one namespace; undefined until a complete list is held. */
function inNamespace<T extends RawObject>(store: ObjectStore<T>, namespace: string): readonly T[] | undefined {
  return store.hasSynced ? store.list().filter(({ metadata }) => metadata.namespace === namespace) : undefined;
}

/** What a rule may know of the judged object's surroundings: its own namespace, never another tenant's. */
export function contextIn(world: World, namespace: string): CheckContext {
  const modelServers = inNamespace(world.modelServers, namespace);
  const modelRoutes = inNamespace(world.modelRoutes, namespace);
  const hasVolcano = world.hasVolcano();
  return {
    objects: 'live',
    fallbackScheduler: world.fallbackScheduler,
    hasAscendRuntime: world.settings().runtimeMounts !== false,
    ...(modelServers && { modelServers }),
    ...(modelRoutes && { modelRoutes }),
    ...(hasVolcano !== undefined && { hasVolcano }),
    ...(world.dialects && { dialects: world.dialects }),
  };
}

/** The same, with the servings of the namespace read as their pods will be: what a ModelServer is judged by. */
export function contextWithServings(world: World, namespace: string): CheckContext {
  const servings = inNamespace(world.modelServings, namespace);
  return {
    ...contextIn(world, namespace),
    ...(servings && { modelServings: servings.map((serving) => readingOf(serving, world)) }),
  };
}

interface Kept {
  readonly profiles: Profiles;
  readonly schedulers: string;
  readonly reading: ServingReading;
}
/** Stored objects never change, so one is read once, until the profiles or the settings are others. */
const kept = new WeakMap<ModelServing, Kept>();

function readingOf(serving: ModelServing, world: World): ServingReading {
  const [profiles, settings] = [world.profiles(), world.settings()];
  const schedulers = JSON.stringify(settings.schedulerNames);
  const before = kept.get(serving);
  if (before?.profiles === profiles && before.schedulers === schedulers) return before.reading;
  const reading = readAsRun(serving, profiles, settings);
  kept.set(serving, { profiles, schedulers, reading });
  return reading;
}

/** PodGroups, while their CRD is installed; it may come and go at run time. */
import type { KubeObject } from '../api/kube.js';
import { labels, volcano } from '../api/names.js';
import { isObject } from '../base/json.js';
import type { PodGroupSupport } from '../core/rollout/build-pod-group.js';
import type { PodGroup } from '../core/rollout/observed.js';
import { type Reflector, startReflector } from '../kube/reflector.js';
import { crds, type Resource } from '../kube/resources.js';
import type { WatchOptions } from './watch-options.js';

export const podGroups: Resource = {
  group: 'scheduling.volcano.sh',
  version: 'v1beta1',
  plural: 'podgroups',
  kind: 'PodGroup',
  namespaced: true,
};

interface SlimCrd extends KubeObject {
  readonly subGroups?: boolean;
}

export interface PodGroupWatch {
  /** What a serving with this scheduler gets; undefined while PodGroups exist but are not listed yet. */
  supportFor(schedulerName: string): PodGroupSupport | undefined;
  /** Called with the current store whenever PodGroups are watched anew; returns the way to stop. */
  onStore(listener: (store: Reflector<PodGroup> | undefined) => void): void;
  /** Resolves when it is known whether the kind exists. */
  readonly synced: Promise<void>;
  readonly stopped: Promise<unknown>;
}

export function startPodGroupWatch(options: WatchOptions): PodGroupWatch {
  return new Watching(options);
}

class Watching implements PodGroupWatch {
  readonly synced: Promise<void>;
  readonly #options: WatchOptions;
  readonly #crds: Reflector<SlimCrd>;
  readonly #listeners = new Set<(store: Reflector<PodGroup> | undefined) => void>();
  #current: { store: Reflector<PodGroup>; control: AbortController } | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(options: WatchOptions) {
    this.#options = options;
    const { client, logger, signal } = options;
    const fieldSelector = `metadata.name=${volcano.podGroupCrd}`;
    this.#crds = startReflector<SlimCrd>(client, crds, { logger, signal, fieldSelector, project: slimCrd });
    this.synced = this.#crds.synced;
    this.#crds.subscribe(({ type }) => {
      if (type === 'added') this.#open();
      if (type === 'deleted') this.#close();
    });
    signal.addEventListener('abort', () => this.#close(), { once: true });
  }

  get stopped(): Promise<unknown> {
    return Promise.all([this.#crds.stopped, this.#ended]);
  }

  supportFor(schedulerName: string): PodGroupSupport | undefined {
    const crd = this.#crds.get(undefined, volcano.podGroupCrd);
    if (crd === undefined) return 'absent';
    if (this.#current?.store.hasSynced !== true) return undefined;
    return schedulerName === volcano.schedulerName ? { subGroups: crd.subGroups === true } : 'unused';
  }

  onStore(listener: (store: Reflector<PodGroup> | undefined) => void): void {
    this.#listeners.add(listener);
    listener(this.#current?.store);
  }

  #open(): void {
    const { client, logger, namespace, signal } = this.#options;
    if (signal.aborted) return;
    const control = new AbortController();
    const store = startReflector<PodGroup>(client, podGroups, {
      logger,
      signal: control.signal,
      labelSelector: labels.groupName,
      ...(namespace === undefined ? {} : { namespace }),
    });
    this.#current = { store, control };
    this.#ended = Promise.all([this.#ended, store.stopped]);
    logger.info('PodGroups are installed: serving groups get one each');
    this.#tell(store);
  }

  #close(): void {
    this.#current?.control.abort();
    this.#current = undefined;
    this.#tell(undefined);
  }

  #tell(store: Reflector<PodGroup> | undefined): void {
    for (const listener of this.#listeners) listener(store);
  }
}

/** Keeps of a large CRD only whether PodGroups have sub-groups. */
function slimCrd({ metadata, ...crd }: SlimCrd & { readonly spec?: unknown }): SlimCrd {
  const { name, uid, resourceVersion } = metadata;
  const kept = {
    ...(name === undefined ? {} : { name }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  return { metadata: kept, subGroups: hasSubGroups(crd.spec) };
}

function hasSubGroups(spec: unknown): boolean {
  const versions = isObject(spec) && Array.isArray(spec['versions']) ? spec['versions'] : [];
  const ours: unknown = versions.find((version: unknown) => isObject(version) && version['name'] === podGroups.version);
  const path = ['schema', 'openAPIV3Schema', 'properties', 'spec', 'properties', 'subGroupPolicy'];
  const found = path.reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), ours);
  return found !== undefined;
}

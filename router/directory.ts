import type { Pod } from '../src/api/kube.js';
import { tandemKeys } from '../src/api/names.js';
import type { ModelRoute, ModelServer } from '../src/api/types.js';
import { type Candidates, candidatesOf } from '../src/core/pairing/choose-pair.js';
import { chooseDialect, type DialectChoice, type ReadConnector } from '../src/core/pairing/dialect.js';
import { endpointOf, isServing, isWorker, selectedPods, uidOf } from '../src/core/pairing/endpoint.js';
import { RouteTable } from '../src/core/pairing/match-route.js';
import type { Change, ObjectStore } from '../src/kube/store.js';

export const fallbacks = ['none', 'recompute', 'aggregated'] as const;
export type Fallback = (typeof fallbacks)[number];

/** What one ModelServer and its pods amount to for a request. */
export interface ServerView {
  readonly name: string;
  readonly server: ModelServer;
  readonly candidates: Candidates;
  readonly isPd: boolean;
  readonly dialect: DialectChoice;
  readonly fallback: Fallback;
}

export interface Stores {
  readonly pods: ObjectStore<Pod>;
  readonly modelServers: ObjectStore<ModelServer>;
  readonly modelRoutes: ObjectStore<ModelRoute>;
}

export interface DirectoryEvents {
  /** A view was made anew: what it says is worth saying once. */
  onView(view: ServerView): void;
  /** The ModelServer of this name is deleted. */
  onServerGone(name: string): void;
  onRoutes(routes: RouteTable): void;
  /** Uids of all pods that exist. */
  onPods(uids: ReadonlySet<string>): void;
}

/**
 * Answers from the stores' present content, whatever order it came in: every view is derived from the complete objects and
 * thrown away when one of them changes.
 */
export class Directory {
  readonly #stores: Stores;
  readonly #read: ReadConnector;
  readonly #events: DirectoryEvents;
  readonly #views = new Map<string, ServerView>();
  readonly #stop: (() => void)[];
  #routes: RouteTable | undefined;
  #podsChanged = true;

  constructor(stores: Stores, read: ReadConnector, events: DirectoryEvents) {
    this.#stores = stores;
    this.#read = read;
    this.#events = events;
    this.#stop = [
      stores.pods.subscribe((change) => this.#onPod(change)),
      stores.modelServers.subscribe((change) => this.#onServer(change)),
      stores.modelRoutes.subscribe(() => {
        this.#routes = undefined;
      }),
    ];
  }

  /** Why requests cannot be judged yet; undefined when they can. */
  get notReady(): string | undefined {
    const { pods, modelServers, modelRoutes } = this.#stores;
    if (pods.hasSynced && modelServers.hasSynced && modelRoutes.hasSynced) return undefined;
    const waiting = Object.entries({ pods, modelServers, modelRoutes }).flatMap(([name, { hasSynced }]) =>
      hasSynced ? [] : [name],
    );
    return `not yet listed: ${waiting.join(', ')}`;
  }

  get routes(): RouteTable {
    if (!this.#routes) {
      this.#routes = new RouteTable(this.#stores.modelRoutes.list());
      this.#events.onRoutes(this.#routes);
    }
    return this.#routes;
  }

  view(namespace: string, name: string): ServerView | undefined {
    const key = `${namespace}/${name}`;
    const known = this.#views.get(key);
    if (known) return known;
    const server = this.#stores.modelServers.get(namespace, name);
    if (!server) return undefined;
    this.#forgetGonePods();
    const view = this.#makeView(key, server);
    this.#views.set(key, view);
    this.#events.onView(view);
    return view;
  }

  close(): void {
    for (const stop of this.#stop) stop();
  }

  #makeView(name: string, server: ModelServer): ServerView {
    const pods = selectedPods(server, this.#stores.pods.list());
    const endpoints = pods.flatMap((pod) => endpointOf(server, pod) ?? []);
    return {
      name,
      server,
      candidates: candidatesOf(endpoints),
      isPd: server.spec.workloadSelector.pdGroup !== undefined,
      dialect: chooseDialect(server, pods, this.#read),
      fallback: fallbackOf(server),
    };
  }

  #onServer({ type, object: { metadata } }: Change<ModelServer>): void {
    this.#views.clear();
    if (type === 'deleted') this.#events.onServerGone(`${metadata.namespace ?? ''}/${metadata.name ?? ''}`);
  }

  #onPod(change: Change<Pod>): void {
    if (change.type === 'updated' && sameForRouting(change.old, change.object)) return;
    this.#views.clear();
    this.#podsChanged = true;
  }

  #forgetGonePods(): void {
    if (!this.#podsChanged) return;
    this.#podsChanged = false;
    this.#events.onPods(new Set(this.#stores.pods.list().map(uidOf)));
  }
}

/** An annotation that is none of the known words counts as absent: a typo must not change what a client gets. */
function fallbackOf({ metadata }: ModelServer): Fallback {
  const written = metadata.annotations?.[tandemKeys.fallback.key];
  return fallbacks.find((known) => known === written) ?? 'none';
}

/** Most pod updates are status chatter; only these facts decide about requests. */
function sameForRouting(a: Pod, b: Pod): boolean {
  return (
    a.metadata.uid === b.metadata.uid &&
    a.status?.podIP === b.status?.podIP &&
    isServing(a) === isServing(b) &&
    isWorker(a) === isWorker(b) &&
    JSON.stringify(a.metadata.labels) === JSON.stringify(b.metadata.labels)
  );
}

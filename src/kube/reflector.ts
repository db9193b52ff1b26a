/** Keeps a store equal to what an API server holds: list, watch, and list again when the watch can no longer continue. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, type Instant, systemClock } from '../base/clock.js';
import { describeError } from '../base/errors.js';
import type { Logger } from '../telemetry/log.js';
import { type Backoff, fullJitter } from './backoff.js';
import type { KubeClient, ListOptions, RawObject } from './client.js';
import { isGone, isNotFound } from './kube-error.js';
import { listAll } from './list-pages.js';
import { createObjectMap, type ObjectMap } from './object-map.js';
import { query } from './query.js';
import { pathOf, type Resource } from './resources.js';
import type { ObjectStore } from './store.js';
import { readWatch } from './watch.js';

export interface ReflectorOptions<T> extends ListOptions {
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Keeps only what is needed of an object; name, namespace, uid and resourceVersion must stay. */
  readonly project?: (object: T) => T;
  /** Seconds after which the server ends a watch; default 290, spread by up to a tenth. */
  readonly watchSeconds?: number;
  /** Milliseconds of silence after which a watch counts as lost; default 120 s, above the server's bookmark interval of 60 s. */
  readonly idleMilliseconds?: number;
  /** Milliseconds that a watch must live to reset the backoff; default 60 s. */
  readonly healthyAfter?: number;
  readonly backoff?: Backoff;
}

export interface Reflector<T extends RawObject> extends ObjectStore<T> {
  /** When the server was last heard, bookmarks included; undefined before the first list. Its age is the lag. */
  readonly lastActivity: Instant | undefined;
  /** Complete lists fetched so far. */
  readonly lists: number;
  /** Resolves when the loop has ended after the signal. */
  readonly stopped: Promise<void>;
}

interface State {
  version: string | undefined;
  lastActivity: Instant | undefined;
  lists: number;
  failures: number;
  announcedMissing: boolean;
}

export function startReflector<T extends RawObject>(
  client: KubeClient,
  resource: Resource,
  options: ReflectorOptions<T>,
): Reflector<T> {
  const map = createObjectMap<T>({ logger: options.logger });
  const state: State = {
    version: undefined,
    lastActivity: undefined,
    lists: 0,
    failures: 0,
    announcedMissing: false,
  };
  const stopped = follow(client, resource, map, state, options);
  return {
    get: map.get,
    list: map.list,
    subscribe: map.subscribe,
    synced: map.synced,
    stopped,
    get hasSynced() {
      return map.hasSynced;
    },
    get lastActivity() {
      return state.lastActivity;
    },
    get lists() {
      return state.lists;
    },
  };
}

async function follow<T extends RawObject>(
  client: KubeClient,
  resource: Resource,
  map: ObjectMap<T>,
  state: State,
  options: ReflectorOptions<T>,
): Promise<void> {
  const { signal, clock = systemClock, healthyAfter = 60_000 } = options;
  const backoff = options.backoff ?? fullJitter({ base: 200, cap: 15_000 });
  while (!signal.aborted) {
    const begun = clock.now();
    try {
      if (state.version === undefined) await listOnce(client, resource, map, state, options);
      await watchOnce(client, resource, map, state, options);
    } catch (error) {
      if (signal.aborted) break;
      report(error, resource, state, options.logger);
      if (isGone(error) || isNotFound(error)) state.version = undefined;
    }
    // A watch that lived long was healthy, however it ended; one event in a short life proves nothing.
    state.failures = clock.now() - begun >= healthyAfter ? 0 : state.failures + 1;
    if (state.failures > 0 && !signal.aborted) await pause(backoff(state.failures - 1), signal);
  }
  map.fail(signal.reason);
}

async function listOnce<T extends RawObject>(
  client: KubeClient,
  resource: Resource,
  map: ObjectMap<T>,
  state: State,
  options: ReflectorOptions<T>,
): Promise<void> {
  const { items, resourceVersion } = await listAll<T>(client, resource, options, options.project);
  if (options.signal.aborted) return;
  state.version = resourceVersion;
  state.lists += 1;
  state.announcedMissing = false;
  state.lastActivity = (options.clock ?? systemClock).now();
  map.replaceAll(items);
}

async function watchOnce<T extends RawObject>(
  client: KubeClient,
  resource: Resource,
  map: ObjectMap<T>,
  state: State,
  options: ReflectorOptions<T>,
): Promise<void> {
  const { namespace, labelSelector, fieldSelector, signal, clock = systemClock } = options;
  const project = options.project ?? ((object: T) => object);
  const seconds = options.watchSeconds ?? 290;
  const search = query({
    labelSelector,
    fieldSelector,
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: state.version,
    // Spread, so that the watches of many processes do not end together.
    timeoutSeconds: String(Math.round(seconds * (1 + Math.random() / 10))),
  });
  const path = pathOf(resource, namespace === undefined ? {} : { namespace }) + search;
  const stream = await client.open(path, signal);
  for await (const event of readWatch<T>(stream, options.idleMilliseconds ?? 120_000)) {
    state.lastActivity = clock.now();
    if (event.type === 'BOOKMARK') {
      state.version = event.resourceVersion;
      continue;
    }
    state.version = event.object.metadata.resourceVersion ?? state.version;
    if (event.type === 'DELETED') map.remove(project(event.object));
    else map.put(project(event.object));
  }
}

function report(error: unknown, resource: Resource, state: State, logger: Logger): void {
  const what = { resource: resource.plural, error: describeError(error) };
  if (isNotFound(error)) {
    if (!state.announcedMissing) logger.warn(what, 'this kind is not served; looking again until it is');
    state.announcedMissing = true;
    return;
  }
  logger[isGone(error) ? 'info' : 'warn'](what, 'list or watch ended; it is taken up again');
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error; // an abort only ends the pause; the loop sees the signal itself
  }
}

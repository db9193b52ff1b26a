/** Keeps a store equal to what an API server holds: list, watch, and list again when the watch can no longer continue. */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, type Instant, systemClock } from '../base/clock.js';
import { describeError, TandemError } from '../base/errors.js';
import type { Logger } from '../telemetry/log.js';
import { type Backoff, fullJitter } from './backoff.js';
import type { KubeClient, ListOptions, RawObject } from './client.js';
import { isGone, isNotFound } from './kube-error.js';
import { listAll } from './list-pages.js';
import { ObjectMap } from './object-map.js';
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
  /** Resolves when the loop has ended: after the signal, or when the client was stopped. */
  readonly stopped: Promise<void>;
}

export function startReflector<T extends RawObject>(
  client: KubeClient,
  resource: Resource,
  options: ReflectorOptions<T>,
): Reflector<T> {
  return new ListAndWatch(client, resource, options);
}

class ListAndWatch<T extends RawObject> extends ObjectMap<T> implements Reflector<T> {
  readonly stopped: Promise<void>;
  lastActivity: Instant | undefined;
  lists = 0;
  readonly #client: KubeClient;
  readonly #resource: Resource;
  readonly #options: ReflectorOptions<T>;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #project: (object: T) => T;
  #version: string | undefined;
  #failures = 0;
  #announcedMissing = false;
  /** Set when the client was stopped: no request can follow. */
  #ended: unknown;

  constructor(client: KubeClient, resource: Resource, options: ReflectorOptions<T>) {
    super({ logger: options.logger });
    setMaxListeners(0, options.signal); // one signal ends many watches; that is no leak
    this.#client = client;
    this.#resource = resource;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backoff = options.backoff ?? fullJitter({ base: 200, cap: 15_000 });
    this.#project = options.project ?? ((object) => object);
    this.stopped = this.#follow();
  }

  async #follow(): Promise<void> {
    const { signal, healthyAfter = 60_000 } = this.#options;
    // A list that hangs must not keep anybody from stopping.
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    while (!signal.aborted && this.#ended === undefined) {
      const begun = this.#clock.now();
      await Promise.race([this.#round(), aborted]);
      // A watch that lived long was healthy, however it ended; one event in a short life proves nothing.
      this.#failures = this.#clock.now() - begun >= healthyAfter ? 0 : this.#failures + 1;
      if (this.#failures > 0 && this.#ended === undefined) await pause(this.#backoff(this.#failures - 1), signal);
    }
    if (this.#ended)
      this.#options.logger.info({ resource: this.#resource.plural }, 'the client was stopped: the watch ends');
    this.fail(this.#ended ?? signal.reason);
  }

  async #round(): Promise<void> {
    try {
      if (this.#version === undefined) await this.#listOnce();
      await this.#watchOnce();
    } catch (error) {
      if (this.#options.signal.aborted) return;
      if (isClientClosed(error)) this.#ended = error;
      else this.#report(error);
      if (isGone(error) || isNotFound(error)) this.#version = undefined;
    }
  }

  async #listOnce(): Promise<void> {
    const { items, resourceVersion } = await listAll<T>(this.#client, this.#resource, this.#options, this.#project);
    if (this.#options.signal.aborted) return;
    this.#version = resourceVersion;
    this.lists += 1;
    this.#announcedMissing = false;
    this.lastActivity = this.#clock.now();
    this.replaceAll(items);
  }

  async #watchOnce(): Promise<void> {
    const stream = await this.#client.open(this.#watchPath(), this.#options.signal);
    for await (const event of readWatch<T>(stream, this.#options.idleMilliseconds ?? 120_000)) {
      this.lastActivity = this.#clock.now();
      if (event.type === 'BOOKMARK') {
        this.#version = event.resourceVersion;
        continue;
      }
      this.#version = event.object.metadata.resourceVersion ?? this.#version;
      if (event.type === 'DELETED') this.remove(this.#project(event.object));
      else this.put(this.#project(event.object));
    }
  }

  #watchPath(): string {
    const { namespace, labelSelector, fieldSelector, watchSeconds = 290 } = this.#options;
    const search = query({
      labelSelector,
      fieldSelector,
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#version,
      // Spread, so that the watches of many processes do not end together.
      timeoutSeconds: String(Math.round(watchSeconds * (1 + Math.random() / 10))),
    });
    return pathOf(this.#resource, namespace === undefined ? {} : { namespace }) + search;
  }

  #report(error: unknown): void {
    const { logger } = this.#options;
    const what = { resource: this.#resource.plural, error: describeError(error) };
    if (isNotFound(error)) {
      if (!this.#announcedMissing) logger.warn(what, 'this kind is not served; looking again until it is');
      this.#announcedMissing = true;
      return;
    }
    logger[isGone(error) ? 'info' : 'warn'](what, 'list or watch ended; it is taken up again');
  }
}

const isClientClosed = (error: unknown): boolean => error instanceof TandemError && error.code === 'client-closed';

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error; // an abort only ends the pause; the loop sees the signal itself
  }
}

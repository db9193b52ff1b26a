/** The memory behind every `ObjectStore`: objects by namespace and name, and the changes told to subscribers. */
import { describeError } from '../base/errors.js';
import type { Logger } from '../telemetry/log.js';
import type { RawObject } from './client.js';
import type { Change, ObjectStore } from './store.js';

export interface ObjectMapOptions<T> {
  readonly logger: Logger;
  /** Whether two states of one object are the same; default: same resourceVersion. */
  readonly same?: (a: T, b: T) => boolean;
}

const keyOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`;
const keyOfObject = ({ metadata }: RawObject): string => keyOf(metadata.namespace, metadata.name ?? '');

function sameVersion(a: RawObject, b: RawObject): boolean {
  return a.metadata.resourceVersion !== undefined && a.metadata.resourceVersion === b.metadata.resourceVersion;
}

export class ObjectMap<T extends RawObject> implements ObjectStore<T> {
  readonly synced: Promise<void>;
  readonly #logger: Logger;
  readonly #same: (a: T, b: T) => boolean;
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  #hasSynced = false;
  #resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor({ logger, same = sameVersion }: ObjectMapOptions<T>) {
    this.#logger = logger;
    this.#same = same;
    this.synced = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.synced.catch(() => undefined); // whoever awaits `synced` sees the rejection; that nobody does is no fault
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#objects.get(keyOf(namespace, name));
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  subscribe(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Makes the content exactly `objects`: what is missing is told as deleted. The first call completes `synced`. */
  replaceAll(objects: readonly T[]): void {
    const kept = new Set(objects.map(keyOfObject));
    for (const [key, old] of [...this.#objects]) if (!kept.has(key)) this.remove(old);
    for (const object of objects) this.put(object);
    this.#hasSynced = true;
    this.#resolve();
  }

  put(object: T): void {
    const key = keyOfObject(object);
    const old = this.#objects.get(key);
    if (old === undefined) {
      this.#add(key, object);
    } else if (old.metadata.uid !== object.metadata.uid) {
      // Deleted and created again while nobody watched: two objects, so two changes.
      this.remove(old);
      this.#add(key, object);
    } else if (!this.#same(old, object)) {
      this.#objects.set(key, object);
      this.#tell({ type: 'updated', object, old });
    }
  }

  remove(object: T): void {
    if (this.#objects.delete(keyOfObject(object))) this.#tell({ type: 'deleted', object });
  }

  /** Ends waiting for `synced`; without effect once synced. */
  fail(error: unknown): void {
    this.#reject(error);
  }

  #add(key: string, object: T): void {
    this.#objects.set(key, object);
    this.#tell({ type: 'added', object });
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        const { name } = change.object.metadata;
        this.#logger.error({ error: describeError(error), name }, 'a store listener failed');
      }
    }
  }
}

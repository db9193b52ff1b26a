/** The memory behind every `ObjectStore`: objects by namespace and name, and the changes told to subscribers. */
import { describeError } from '../base/errors.js';
import type { Logger } from '../telemetry/log.js';
import type { RawObject } from './client.js';
import type { Change, ObjectStore } from './store.js';

export interface ObjectMap<T extends RawObject> extends ObjectStore<T> {
  /** Makes the content exactly `objects`: what is missing is told as deleted. The first call completes `synced`. */
  replaceAll(objects: readonly T[]): void;
  put(object: T): void;
  remove(object: T): void;
  /** Ends waiting for `synced`; without effect once synced. */
  fail(error: unknown): void;
  readonly size: number;
}

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

export function createObjectMap<T extends RawObject>(options: ObjectMapOptions<T>): ObjectMap<T> {
  const { logger, same = sameVersion } = options;
  const objects = new Map<string, T>();
  const listeners = new Set<(change: Change<T>) => void>();
  const gate = createGate();

  const tell = (change: Change<T>) => {
    for (const listener of listeners) {
      try {
        listener(change);
      } catch (error) {
        logger.error({ error: describeError(error), name: change.object.metadata.name }, 'a store listener failed');
      }
    }
  };
  const remove = (object: T) => {
    if (objects.delete(keyOfObject(object))) tell({ type: 'deleted', object });
  };
  const put = (object: T) => {
    const key = keyOfObject(object);
    const old = objects.get(key);
    if (old !== undefined && old.metadata.uid !== object.metadata.uid) {
      // Deleted and created again while nobody watched: two objects, so two changes.
      remove(old);
    } else if (old !== undefined) {
      if (same(old, object)) return;
      objects.set(key, object);
      tell({ type: 'updated', object, old });
      return;
    }
    objects.set(key, object);
    tell({ type: 'added', object });
  };

  return {
    get: (namespace, name) => objects.get(keyOf(namespace, name)),
    list: () => [...objects.values()],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    replaceAll(next) {
      const kept = new Set(next.map(keyOfObject));
      for (const [key, old] of [...objects]) if (!kept.has(key)) remove(old);
      for (const object of next) put(object);
      gate.open();
    },
    put,
    remove,
    fail: gate.fail,
    synced: gate.passed,
    get hasSynced() {
      return gate.isOpen();
    },
    get size() {
      return objects.size;
    },
  };
}

function createGate() {
  let open = false;
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const passed = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  passed.catch(() => undefined); // whoever awaits `synced` sees the rejection; that nobody does is no fault
  return {
    passed,
    isOpen: () => open,
    open: () => {
      open = true;
      resolve();
    },
    fail: (error: unknown) => reject(error),
  };
}

import type { ModelServing } from '../../api/types.js';
import type { RawObject } from '../../kube/client.js';
import type { ObjectStore } from '../../kube/store.js';

/** Resolves when the store is complete and `holds` is true of it; asked again after every change. Rejects with the signal. */
export function until<T extends RawObject>(
  store: ObjectStore<T>,
  holds: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      unsubscribe();
      signal.removeEventListener('abort', onAbort);
      end();
    };
    const look = () => {
      if (store.hasSynced && holds()) settle(resolve);
    };
    const onAbort = () => settle(() => reject(signal.reason as Error));
    const unsubscribe = store.subscribe(look);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    // An empty list changes nothing, so nobody is told of it; that it is complete is news all the same.
    else store.synced.then(look, (error: unknown) => settle(() => reject(error as Error)));
  });
}

/** All groups of the latest generation are available. */
export function isAvailable(serving: ModelServing | undefined): boolean {
  const { spec, status, metadata } = serving ?? { metadata: {} };
  return (
    status?.observedGeneration === metadata.generation && (status?.availableReplicas ?? -1) === (spec?.replicas ?? 1)
  );
}

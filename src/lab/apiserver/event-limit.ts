/** Events are kept by number where the real server keeps them for an hour: a lab that stays up must not grow. */
import { keyOfObject } from './object.js';
import type { Store } from './store.js';

const keptEvents = 5000;

/** Removes the oldest events beyond the limit. Returns the way to stop. */
export function limitEvents(store: Store, limit = keptEvents): () => void {
  const keys = new Set<string>();
  return store.subscribe(({ type, bucket, object }) => {
    if (bucket !== 'events') return;
    const key = keyOfObject(object);
    if (type === 'DELETED') keys.delete(key);
    if (type === 'ADDED') keys.add(key);
    const oldest = keys.values().next();
    // After the write that is being told, so that watchers see the two changes in order.
    if (keys.size > limit && !oldest.done) queueMicrotask(() => store.remove('events', oldest.value));
  });
}

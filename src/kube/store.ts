import type { RawObject } from './client.js';

/** One change that a store has seen. Delete followed by create under one name is two changes. */
export type Change<T> =
  | { readonly type: 'added'; readonly object: T }
  | { readonly type: 'updated'; readonly object: T; readonly old: T }
  | { readonly type: 'deleted'; readonly object: T };

/**
 * A live, read-only view of all objects of one kind, whatever feeds it: a watch (`reflector.ts`) or a file (`file-store.ts`).
 */
export interface ObjectStore<T extends RawObject> {
  get(namespace: string | undefined, name: string): T | undefined;
  list(): readonly T[];
  /** Called for each change after the store holds it. Returns the way to stop. */
  subscribe(listener: (change: Change<T>) => void): () => void;
  readonly hasSynced: boolean;
  /** Resolves when the first complete list is held; rejects when the owner's signal aborts first. */
  readonly synced: Promise<void>;
}

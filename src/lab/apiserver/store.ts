/**
 * All objects of the lab, in memory, with one revision counter and a bounded history of changes. What a watch missed is
 * replayed from the history; what the history has dropped is 410 Gone, as after etcd's compaction.
 */
import { keyOfObject, type Obj } from './object.js';
import { expired } from './status.js';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface StoreChange {
  readonly revision: number;
  readonly type: ChangeType;
  /** Name of the store's section: one per kind, whatever its API versions. */
  readonly bucket: string;
  /** The object after the change; for a deletion as it was last, with the revision of the deletion. */
  readonly object: Obj;
  readonly old?: Obj;
}

type Listener = (change: StoreChange) => void;

export interface StoreOptions {
  /** How many changes are kept for watches that come back. */
  readonly historyLimit?: number;
}

export class Store {
  readonly #buckets = new Map<string, Map<string, Obj>>();
  readonly #listeners = new Set<Listener>();
  readonly #historyLimit: number;
  #history: StoreChange[] = [];
  // Kubernetes gives 0 the meaning "any version", so counting starts above it.
  #revision = 100;
  #compacted = 100;

  constructor({ historyLimit = 4096 }: StoreOptions = {}) {
    this.#historyLimit = historyLimit;
  }

  get revision(): number {
    return this.#revision;
  }

  get(bucket: string, key: string): Obj | undefined {
    return this.#buckets.get(bucket)?.get(key);
  }

  /** Sorted by key, as etcd lists; of one namespace when it is given. */
  list(bucket: string, namespace?: string): Obj[] {
    const entries = [...(this.#buckets.get(bucket) ?? [])];
    const prefix = namespace === undefined ? undefined : `${namespace}/`;
    const wanted = prefix === undefined ? entries : entries.filter(([key]) => key.startsWith(prefix));
    return wanted.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  buckets(): string[] {
    return [...this.#buckets.keys()];
  }

  /** Stores a new or changed object under the next revision and returns what is held; the argument belongs to the store from now on. */
  put(bucket: string, object: Obj): Obj {
    const key = keyOfObject(object);
    const section = this.#section(bucket);
    const old = section.get(key);
    object.metadata.resourceVersion = String(++this.#revision);
    section.set(key, object);
    this.#record({
      revision: this.#revision,
      type: old === undefined ? 'ADDED' : 'MODIFIED',
      bucket,
      object,
      ...(old && { old }),
    });
    return object;
  }

  /** Removes the object; the returned last state carries the revision of the deletion. */
  remove(bucket: string, key: string): Obj | undefined {
    const old = this.#buckets.get(bucket)?.get(key);
    if (old === undefined) return undefined;
    this.#buckets.get(bucket)?.delete(key);
    const revision = ++this.#revision;
    const object = { ...old, metadata: { ...old.metadata, resourceVersion: String(revision) } };
    this.#record({ revision, type: 'DELETED', bucket, object, old });
    return object;
  }

  /** Changes after a revision, oldest first. Throws 410 when some of them are no longer held. */
  since(revision: number, bucket: string): StoreChange[] {
    if (revision < this.#compacted) throw expired(`too old resource version: ${revision} (${this.#compacted})`);
    return this.#history.filter((change) => change.revision > revision && change.bucket === bucket);
  }

  /** Forgets the history, as etcd's compaction does. */
  compact(): void {
    this.#history = [];
    this.#compacted = this.#revision;
  }

  /** Called synchronously for each change. Returns the way to stop. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #section(bucket: string): Map<string, Obj> {
    const section = this.#buckets.get(bucket) ?? new Map<string, Obj>();
    this.#buckets.set(bucket, section);
    return section;
  }

  #record(change: StoreChange): void {
    this.#history.push(change);
    // Dropping in halves keeps the cost per change constant.
    if (this.#history.length > this.#historyLimit) {
      const dropped = this.#history.splice(0, Math.ceil(this.#historyLimit / 2));
      this.#compacted = dropped.at(-1)?.revision ?? this.#compacted;
    }
    for (const listener of [...this.#listeners]) listener(change);
  }
}

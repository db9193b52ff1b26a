/** Which ModelServing an object belongs to, and an index by it. */
import type { KubeObject } from '../api/kube.js';
import { labels, workloadGroup } from '../api/names.js';
import type { RawObject } from '../kube/client.js';
import type { ObjectStore } from '../kube/store.js';

/** `namespace/name` of a ModelServing: the key of all work. */
export type ServingKey = string;

export const keyOf = ({ metadata }: Pick<KubeObject, 'metadata'>): ServingKey =>
  `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;

/** By controller reference; without one by label: that is how an orphan is found again. */
export function servingOf({ metadata }: Pick<KubeObject, 'metadata'>): ServingKey | undefined {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  const isServing = owner?.kind === 'ModelServing' && owner.apiVersion.startsWith(`${workloadGroup}/`);
  const name = isServing ? owner.name : metadata.labels?.[labels.name];
  return name === undefined ? undefined : `${metadata.namespace ?? ''}/${name}`;
}

/** The objects of one store by the ModelServing they belong to, kept by its changes. */
export class OwnedIndex<T extends RawObject & KubeObject> {
  readonly #byServing = new Map<ServingKey, Map<string, T>>();
  readonly #unsubscribe: () => void;

  constructor(store: ObjectStore<T>, onChange: (key: ServingKey) => void) {
    this.#unsubscribe = store.subscribe((change) => {
      // An object that changed hands concerns both.
      if (change.type === 'updated') this.#remove(change.old);
      if (change.type === 'deleted') this.#remove(change.object);
      else this.#add(change.object);
      const touched = [servingOf(change.object), change.type === 'updated' ? servingOf(change.old) : undefined];
      for (const key of new Set(touched)) if (key !== undefined) onChange(key);
    });
    for (const object of store.list()) this.#add(object);
  }

  of(key: ServingKey): readonly T[] {
    return [...(this.#byServing.get(key)?.values() ?? [])];
  }

  close(): void {
    this.#unsubscribe();
  }

  #add(object: T): void {
    const key = servingOf(object);
    if (key === undefined) return;
    const members = this.#byServing.get(key) ?? new Map<string, T>();
    this.#byServing.set(key, members.set(object.metadata.name ?? '', object));
  }

  #remove(object: T): void {
    const key = servingOf(object);
    const members = key === undefined ? undefined : this.#byServing.get(key);
    members?.delete(object.metadata.name ?? '');
    if (key !== undefined && members?.size === 0) this.#byServing.delete(key);
  }
}

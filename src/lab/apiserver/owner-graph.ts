/** Who owns whom, by uid. */
import { keyOfObject, type Obj } from './object.js';

export interface Place {
  readonly bucket: string;
  readonly key: string;
}

export class OwnerGraph {
  readonly #places = new Map<string, Place>();
  readonly #dependents = new Map<string, Set<string>>();
  readonly #owners = new Map<string, readonly string[]>();

  set(bucket: string, object: Obj): void {
    const { uid, ownerReferences = [] } = object.metadata;
    this.#places.set(uid, { bucket, key: keyOfObject(object) });
    this.#unlink(uid);
    const owners = ownerReferences.map((owner) => owner.uid);
    if (owners.length === 0) return;
    this.#owners.set(uid, owners);
    for (const owner of owners) {
      const set = this.#dependents.get(owner) ?? new Set();
      this.#dependents.set(owner, set.add(uid));
    }
  }

  remove({ metadata }: Obj): void {
    this.#places.delete(metadata.uid);
    this.#unlink(metadata.uid);
  }

  find(uid: string): Place | undefined {
    return this.#places.get(uid);
  }

  dependents(owner: string): string[] {
    return [...(this.#dependents.get(owner) ?? [])];
  }

  #unlink(uid: string): void {
    for (const owner of this.#owners.get(uid) ?? []) {
      const set = this.#dependents.get(owner);
      set?.delete(uid);
      if (set?.size === 0) this.#dependents.delete(owner);
    }
    this.#owners.delete(uid);
  }
}

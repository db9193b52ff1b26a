/**
 * What the controllers `garbage-collector`, `namespace` and the definitions' finalizer do in a real cluster: dependents
 * follow their owners, a namespace's content goes before it, a definition's objects before it. Work is done one piece
 * at a time, after the request that caused it.
 */
import { describeError } from '../../base/errors.js';
import { clearDefinition, clearNamespace } from './clear.js';
import type { ApiContext } from './context.js';
import { definitionBucket } from './crd/definition.js';
import { foreground, orphan } from './finalizers.js';
import type { Obj, OwnerReference } from './object.js';
import { OwnerGraph } from './owner-graph.js';
import { dropFinalizer, dropOwners, systemDelete } from './system-writes.js';

export interface Collector {
  /** Resolves when the piece of work that is under way is done. */
  stop(): Promise<void>;
}

const retryMs = 500;

export function startCollector(ctx: ApiContext): Collector {
  const collector = new GarbageCollector(ctx);
  const unsubscribe = ctx.store.subscribe(({ type, bucket, object, old }) => {
    if (type === 'DELETED') collector.removed(bucket, object);
    else collector.changed(bucket, object, old);
  });
  return {
    stop: () => {
      unsubscribe();
      return collector.stop();
    },
  };
}

type Work = { readonly do: 'owners' | 'namespace' | 'definition'; readonly id: string };

class GarbageCollector {
  readonly #ctx: ApiContext;
  readonly #graph = new OwnerGraph();
  /** Insertion order is working order; a piece that waits already waits once. */
  readonly #queue = new Map<string, Work>();
  readonly #retries = new Set<NodeJS.Timeout>();
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(ctx: ApiContext) {
    this.#ctx = ctx;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#retries) clearTimeout(timer);
    await this.#running;
  }

  changed(bucket: string, object: Obj, old: Obj | undefined): void {
    this.#graph.set(bucket, object);
    const { metadata } = object;
    if ((metadata.ownerReferences ?? []).length > 0 || metadata.deletionTimestamp !== undefined)
      this.#add('owners', metadata.uid);
    // An owner in foreground deletion may have waited for this reference to go.
    for (const { uid } of old?.metadata.ownerReferences ?? []) this.#add('owners', uid);
    if (metadata.deletionTimestamp === undefined) return;
    if (bucket === 'namespaces') this.#add('namespace', metadata.name);
    if (bucket === definitionBucket) this.#add('definition', metadata.name);
  }

  removed(bucket: string, object: Obj): void {
    const { metadata } = object;
    this.#graph.remove(object);
    for (const uid of this.#graph.dependents(metadata.uid)) this.#add('owners', uid);
    for (const { uid } of metadata.ownerReferences ?? []) this.#add('owners', uid);
    if (metadata.namespace !== undefined && this.#isLeaving('namespaces', metadata.namespace)) {
      this.#add('namespace', metadata.namespace);
    }
    if (this.#isLeaving(definitionBucket, bucket)) this.#add('definition', bucket);
  }

  #isLeaving(bucket: string, key: string): boolean {
    return this.#ctx.store.get(bucket, key)?.metadata.deletionTimestamp !== undefined;
  }

  #add(what: Work['do'], id: string): void {
    const key = `${what} ${id}`;
    // To the end: a definition is only looked at again after the dependents of its objects.
    this.#queue.delete(key);
    this.#queue.set(key, { do: what, id });
    if (!this.#stopped) this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // The request that caused the work is answered first.
    await new Promise((resolve) => setImmediate(resolve));
    for (let next = this.#take(); next !== undefined && !this.#stopped; next = this.#take()) await this.#work(next);
    this.#running = undefined;
  }

  #take(): Work | undefined {
    const first = this.#queue.entries().next();
    if (first.done) return undefined;
    this.#queue.delete(first.value[0]);
    return first.value[1];
  }

  async #work(work: Work): Promise<void> {
    try {
      if (work.do === 'namespace') await clearNamespace(this.#ctx, work.id);
      else if (work.do === 'definition') await clearDefinition(this.#ctx, work.id);
      else await this.#settle(work.id);
    } catch (error) {
      this.#ctx.logger.warn({ ...work, error: describeError(error) }, 'cleaning up failed and is tried again');
      const timer = setTimeout(() => {
        this.#retries.delete(timer);
        this.#add(work.do, work.id);
      }, retryMs);
      this.#retries.add(timer);
    }
  }

  async #settle(uid: string): Promise<void> {
    const found = this.#find(uid);
    if (found === undefined) return;
    const { bucket, object } = found;
    const finalizers = object.metadata.finalizers ?? [];
    const isLeaving = object.metadata.deletionTimestamp !== undefined;
    if (isLeaving && finalizers.includes(orphan)) return this.#orphan(bucket, object);
    if (isLeaving && finalizers.includes(foreground)) await this.#waitForDependents(bucket, object);
    else if (!isLeaving) await this.#followOwners(bucket, object);
  }

  #find(uid: string): { bucket: string; object: Obj } | undefined {
    const place = this.#graph.find(uid);
    if (place === undefined) return undefined;
    const object = this.#ctx.store.get(place.bucket, place.key);
    return object?.metadata.uid === uid ? { bucket: place.bucket, object } : undefined;
  }

  async #orphan(bucket: string, object: Obj): Promise<void> {
    for (const uid of this.#graph.dependents(object.metadata.uid)) {
      const dependent = this.#find(uid);
      if (dependent !== undefined)
        await dropOwners(this.#ctx, dependent.bucket, dependent.object, new Set([object.metadata.uid]));
    }
    await dropFinalizer(this.#ctx, bucket, object, orphan);
  }

  async #waitForDependents(bucket: string, object: Obj): Promise<void> {
    const { uid } = object.metadata;
    let blocking = 0;
    for (const dependentUid of this.#graph.dependents(uid)) {
      const dependent = this.#find(dependentUid);
      if (dependent === undefined) continue;
      if (dependent.object.metadata.deletionTimestamp === undefined) this.#add('owners', dependentUid);
      const reference = dependent.object.metadata.ownerReferences?.find((owner) => owner.uid === uid);
      if (reference?.blockOwnerDeletion === true) blocking++;
    }
    if (blocking === 0) await dropFinalizer(this.#ctx, bucket, object, foreground);
  }

  async #followOwners(bucket: string, object: Obj): Promise<void> {
    const owners = object.metadata.ownerReferences ?? [];
    if (owners.length === 0) return;
    const states = owners.map((owner) => ({ owner, state: this.#stateOf(object, owner) }));
    const lost = states.filter(({ state }) => state !== 'solid');
    if (lost.length === 0) return;
    if (lost.length < states.length) {
      return dropOwners(this.#ctx, bucket, object, new Set(lost.map(({ owner }) => owner.uid)));
    }
    const waits = lost.some(({ state }) => state === 'waiting');
    const hasDependents = this.#graph.dependents(object.metadata.uid).length > 0;
    await systemDelete(this.#ctx, bucket, object, waits && hasDependents ? 'Foreground' : 'Background');
  }

  /** `waiting`: in foreground deletion, for its dependents to go. A kind that is not served cannot be judged. */
  #stateOf(dependent: Obj, owner: OwnerReference): 'solid' | 'waiting' | 'gone' {
    const [group, version] = owner.apiVersion.split('/');
    const type = this.#ctx.registry.ofKind(version === undefined ? '' : (group ?? ''), owner.kind);
    if (type === undefined) return 'solid';
    const held = this.#find(owner.uid);
    if (held?.bucket !== type.bucket || held.object.metadata.name !== owner.name) return 'gone';
    if (type.namespaced && held.object.metadata.namespace !== dependent.metadata.namespace) return 'gone';
    return isInForeground(held.object) ? 'waiting' : 'solid';
  }
}

const isInForeground = ({ metadata }: Obj): boolean =>
  metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(foreground) === true;

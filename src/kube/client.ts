import type { Resource } from './resources.js';

/** Any Kubernetes object as raw JSON; callers type it with the interfaces of their own layer. */
export interface RawObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name?: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly OwnerRef[];
    readonly finalizers?: readonly string[];
  };
}

export interface OwnerRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface Where {
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export type PatchKind = 'json' | 'merge' | 'strategic';

export interface WriteOptions {
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
}

export interface DeleteOptions {
  readonly uid?: string;
  readonly gracePeriodSeconds?: number;
  readonly propagation?: 'Foreground' | 'Background' | 'Orphan';
}

export interface ByteStream extends AsyncIterable<Uint8Array> {
  destroy(error?: Error): unknown;
}

/**
 * Raw JSON access to one API server. Every call takes part in the owner's AbortSignal.
 * A refusal by the server is thrown as `KubeError` with the `Status` it sent (`kube-error.ts`).
 */
export interface KubeClient extends AsyncDisposable {
  get<T extends RawObject>(resource: Resource, where: Where): Promise<T>;
  list<T extends RawObject>(
    resource: Resource,
    options?: ListOptions,
  ): Promise<{ items: readonly T[]; resourceVersion: string }>;
  create<T extends RawObject>(resource: Resource, object: T, where?: Where, options?: WriteOptions): Promise<T>;
  update<T extends RawObject>(resource: Resource, object: T, where?: Where, options?: WriteOptions): Promise<T>;
  patch<T extends RawObject>(
    resource: Resource,
    where: Where,
    kind: PatchKind,
    patch: unknown,
    options?: WriteOptions,
  ): Promise<T>;
  /** Server-side apply. */
  apply<T extends RawObject>(
    resource: Resource,
    object: T,
    options: WriteOptions & { fieldManager: string; force?: boolean; subresource?: string },
  ): Promise<T>;
  delete(resource: Resource, where: Where, options?: DeleteOptions): Promise<void>;
  /** Several objects by selector; a namespaced kind needs the namespace. */
  deleteCollection(resource: Resource, options: ListOptions): Promise<void>;
  /** A response that is read as it comes (a watch): bytes until the server ends it, the signal aborts, or it is destroyed. */
  open(path: string, signal: AbortSignal): Promise<ByteStream>;
  /** Any other request: discovery, version, a path that no method above builds. Returns the parsed body. */
  request<T>(method: string, path: string, body?: unknown, options?: { contentType?: string }): Promise<T>;
}

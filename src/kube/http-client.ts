/** `KubeClient` over one undici Agent: keep-alive, one TLS identity, raw JSON in and out. */
import { Agent } from 'undici';
import type {
  ByteStream,
  DeleteOptions,
  KubeClient,
  ListOptions,
  PatchKind,
  RawObject,
  Where,
  WriteOptions,
} from './client.js';
import type { Connection } from './kubeconfig.js';
import { listAll } from './list-pages.js';
import { query } from './query.js';
import { apiVersionOf, pathOf, type Resource } from './resources.js';
import { Transport } from './transport.js';

export interface ConnectOptions {
  readonly signal: AbortSignal;
  /** Named in the API server's audit log and in managedFields when no field manager is given. */
  readonly userAgent: string;
  /** Milliseconds until an ordinary request is given up; default 30 s. */
  readonly timeout?: number;
  /** Told each warning that the API server sends beside an answer, e.g. those of an admission webhook. */
  readonly onWarning?: (text: string) => void;
}

const patchTypes: Readonly<Record<PatchKind, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** Opens no socket yet: the first request does. */
export function connectCluster(connection: Connection, options: ConnectOptions): KubeClient {
  const agent = new Agent({
    connections: 64,
    pipelining: 1,
    keepAliveTimeout: 30_000,
    connect: {
      timeout: 10_000,
      rejectUnauthorized: !connection.insecure,
      ...(connection.ca === undefined ? {} : { ca: connection.ca }),
      ...(connection.cert === undefined ? {} : { cert: connection.cert }),
      ...(connection.key === undefined ? {} : { key: connection.key }),
      ...(connection.servername === undefined ? {} : { servername: connection.servername }),
    },
  });
  return new HttpClient(new Transport({ agent, connection, timeout: 30_000, ...options }));
}

class HttpClient implements KubeClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get<T extends RawObject>(resource: Resource, where: Where): Promise<T> {
    return this.request('GET', pathOf(resource, where));
  }

  list<T extends RawObject>(resource: Resource, options: ListOptions = {}) {
    return listAll<T>(this, resource, options);
  }

  create<T extends RawObject>(resource: Resource, object: T, where: Where = {}, options: WriteOptions = {}) {
    const path = pathOf(resource, { ...namespaceOf(object), ...where });
    return this.request<T>('POST', path + query(writeQuery(options)), typed(resource, object));
  }

  update<T extends RawObject>(resource: Resource, object: T, where: Where = {}, options: WriteOptions = {}) {
    const path = pathOf(resource, { ...placeOf(object), ...where });
    return this.request<T>('PUT', path + query(writeQuery(options)), typed(resource, object));
  }

  patch<T extends RawObject>(
    resource: Resource,
    where: Where,
    kind: PatchKind,
    patch: unknown,
    options: WriteOptions = {},
  ) {
    const path = pathOf(resource, where) + query(writeQuery(options));
    return this.request<T>('PATCH', path, patch, { contentType: patchTypes[kind] });
  }

  apply<T extends RawObject>(
    resource: Resource,
    object: T,
    options: WriteOptions & { fieldManager: string; force?: boolean; subresource?: string },
  ) {
    const { subresource, force } = options;
    const path = pathOf(resource, { ...placeOf(object), ...(subresource === undefined ? {} : { subresource }) });
    const search = query({ ...writeQuery(options), ...(force === true ? { force: 'true' } : {}) });
    // JSON is YAML, so the body needs no YAML writer.
    return this.request<T>('PATCH', path + search, typed(resource, object), {
      contentType: 'application/apply-patch+yaml',
    });
  }

  async delete(resource: Resource, where: Where, options: DeleteOptions = {}): Promise<void> {
    await this.request('DELETE', pathOf(resource, where), {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...(options.uid === undefined ? {} : { preconditions: { uid: options.uid } }),
      ...(options.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: options.gracePeriodSeconds }),
      ...(options.propagation === undefined ? {} : { propagationPolicy: options.propagation }),
    });
  }

  async deleteCollection(resource: Resource, options: ListOptions): Promise<void> {
    const { namespace, labelSelector, fieldSelector } = options;
    const search = query({ labelSelector, fieldSelector });
    await this.request('DELETE', pathOf(resource, namespace === undefined ? {} : { namespace }) + search);
  }

  open(path: string, signal: AbortSignal): Promise<ByteStream> {
    return this.#transport.open(path, signal);
  }

  request<T>(method: string, path: string, body?: unknown, options: { contentType?: string } = {}): Promise<T> {
    return this.#transport.send<T>({
      method,
      path,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      contentType: options.contentType ?? 'application/json',
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#transport.close();
  }
}

const writeQuery = (options: WriteOptions) => ({
  dryRun: options.dryRun === true ? 'All' : undefined,
  fieldManager: options.fieldManager,
});

const namespaceOf = ({ metadata }: RawObject): Where =>
  metadata.namespace === undefined ? {} : { namespace: metadata.namespace };

const placeOf = (object: RawObject): Where => ({
  ...namespaceOf(object),
  ...(object.metadata.name === undefined ? {} : { name: object.metadata.name }),
});

const typed = <T extends RawObject>(resource: Resource, object: T): T => ({
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
  ...object,
});

/** A namespace on a real API server with a controller of its own; pods get the status that a kubelet would give. */
import { readFileSync } from 'node:fs';
import { parse, parseAllDocuments } from 'yaml';
import type { KubeObject, Pod } from '../../src/api/kube.js';
import { modelServings } from '../../src/api/resources.js';
import type { ModelServing } from '../../src/api/types.js';
import type { Running } from '../../src/base/running.js';
import { type ControllerOptions, startController } from '../../src/controller/start.js';
import type { KubeClient, RawObject } from '../../src/kube/client.js';
import { connectCluster } from '../../src/kube/http-client.js';
import { loadConnection } from '../../src/kube/kubeconfig.js';
import { type Reflector, startReflector } from '../../src/kube/reflector.js';
import { crds, events, namespaces, pathOf, pods, type Resource, services } from '../../src/kube/resources.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { type ControlPlane, startControlPlane } from '../control-plane/start.js';

export interface SeenEvent extends KubeObject {
  readonly reason: string;
  readonly message: string;
  readonly type: string;
}

const root = new URL('../../../', import.meta.url);
const readYaml = <T extends RawObject>(path: string): T => parse(readFileSync(new URL(path, root), 'utf8')) as T;

export interface Cluster extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly client: KubeClient;
  world(name: string): Promise<World>;
  /** Applies a file of rights and returns a client that is the service account of it, with its rights only. */
  as(rightsFile: string, serviceAccount: string): Promise<KubeClient>;
}

/** Undefined when there is no control plane on this machine. */
export async function startCluster(): Promise<Cluster | undefined> {
  const plane = await startControlPlane();
  if (plane === undefined) return undefined;
  const control = new AbortController();
  const connection = await loadConnection({ file: plane.kubeconfig, env: {} });
  const client = connectCluster(connection, { signal: control.signal, userAgent: 'test' });
  await client.create(crds, readYaml<RawObject>('config/crd/modelservings.workload.serving.volcano.sh.yaml'));
  await served(client, modelServings);
  return {
    plane,
    client,
    world: (name) => World.open(client, name),
    async as(rightsFile, serviceAccount) {
      await client.create(namespaces, { metadata: { name: systemNamespace } });
      for (const document of parseAllDocuments(readFileSync(new URL(rightsFile, root), 'utf8'))) {
        const object = document.toJS() as RawObject;
        await client.create(resourceOf(object), object);
      }
      const where = { namespace: systemNamespace, name: serviceAccount, subresource: 'token' };
      const { status } = await client.request<{ status: { token: string } }>(
        'POST',
        pathOf(resourceOf({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: {} }), where),
        { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
      );
      const headers = async () => ({ authorization: `Bearer ${status.token}` });
      return connectCluster({ ...connection, headers }, { signal: control.signal, userAgent: 'test' });
    },
    async [Symbol.asyncDispose]() {
      control.abort();
      await plane.stop();
    },
  };
}

const systemNamespace = 'tandem-system';

/** By Kubernetes' naming, which holds for the kinds that a file of rights has. */
function resourceOf({ apiVersion = '', kind = '', metadata }: RawObject): Resource {
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  const namespaced = metadata.namespace !== undefined || kind === 'ServiceAccount';
  return { group, version, kind, plural: `${kind.toLowerCase()}s`, namespaced };
}

/** A new kind is served a moment after its CRD is created; the CRD's own condition comes before that. */
export async function served(client: KubeClient, resource: Resource): Promise<void> {
  const control = new AbortController();
  const options = { signal: control.signal, logger: silentLogger, backoff: () => 50 };
  const store = startReflector(client, resource, options);
  await store.synced;
  control.abort();
  await store.stopped;
}

export class World {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly pods: Reflector<Pod>;
  readonly servings: Reflector<ModelServing>;
  readonly services: Reflector<KubeObject>;
  readonly events: Reflector<SeenEvent>;
  readonly #control = new AbortController();
  readonly #running: Running[] = [];

  private constructor(client: KubeClient, namespace: string) {
    this.client = client;
    this.namespace = namespace;
    this.pods = this.watch<Pod>(pods);
    this.servings = this.watch<ModelServing>(modelServings);
    this.services = this.watch<KubeObject>(services);
    this.events = this.watch<SeenEvent>(events);
  }

  static async open(client: KubeClient, namespace: string): Promise<World> {
    await client.create(namespaces, { metadata: { name: namespace } });
    const world = new World(client, namespace);
    await Promise.all([world.pods.synced, world.servings.synced, world.services.synced, world.events.synced]);
    return world;
  }

  watch<T extends RawObject>(resource: Resource): Reflector<T> {
    const { namespace } = this;
    return startReflector<T>(this.client, resource, { namespace, signal: this.#control.signal, logger: silentLogger });
  }

  async controller(options: Partial<ControllerOptions> = {}): Promise<Running> {
    const running = await startController(
      { client: this.client, logger: silentLogger, metrics: new Metrics(), namespace: this.namespace, ...options },
      this.#control.signal,
    );
    this.#running.push(running);
    return running;
  }

  /** Resolves with the first value that is neither undefined nor false, looking again at each change of a store. */
  async see<T>(what: string, look: () => T | undefined | false, stores: readonly Reflector<never>[] = []): Promise<T> {
    const watched = [
      this.pods,
      this.servings,
      this.services,
      this.events,
      ...stores,
    ] as unknown as readonly Reflector<never>[];
    let now = look();
    if (now !== undefined && now !== false) return now;
    return new Promise<T>((resolve, reject) => {
      const ends = watched.map((store) =>
        store.subscribe(() => {
          now = look();
          if (now === undefined || now === false) return;
          finish();
          resolve(now);
        }),
      );
      const timer = setTimeout(() => {
        finish();
        reject(new Error(`not seen in 20 s: ${what}; pods ${this.podNames().join(' ')}`));
      }, 20_000);
      const finish = () => {
        clearTimeout(timer);
        for (const end of ends) end();
      };
    });
  }

  podNames(): string[] {
    return this.pods
      .list()
      .map(({ metadata }) => metadata.name ?? '')
      .sort();
  }

  serving(name: string): ModelServing | undefined {
    return this.servings.get(this.namespace, name);
  }

  async apply(object: ModelServing): Promise<ModelServing> {
    const metadata = { ...object.metadata, namespace: this.namespace };
    return this.client.create(modelServings, { ...object, metadata });
  }

  patch(name: string, patch: object): Promise<ModelServing> {
    return this.client.patch(modelServings, { namespace: this.namespace, name }, 'merge', patch);
  }

  /** What a kubelet reports once a pod serves. */
  async makeReady(...names: string[]): Promise<void> {
    await Promise.all(
      names.map((name) =>
        this.setPodStatus(name, {
          phase: 'Running',
          conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() }],
        }),
      ),
    );
  }

  setPodStatus(name: string, status: object): Promise<Pod> {
    return this.client.patch(pods, { namespace: this.namespace, name, subresource: 'status' }, 'merge', { status });
  }

  deletePod(name: string): Promise<void> {
    return this.client.delete(pods, { namespace: this.namespace, name }, { gracePeriodSeconds: 0 });
  }

  podsAre(...names: string[]): Promise<true> {
    return this.see(`pods ${names.join(' ')}`, () => this.podNames().join() === [...names].sort().join() && true);
  }

  condition(name: string, type: string) {
    return this.serving(name)?.status?.conditions?.find((condition) => condition.type === type);
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((running) => running.stop()));
    this.#control.abort();
    await Promise.all([this.pods, this.servings, this.services, this.events].map((store) => store.stopped));
  }
}

export const sample = (document: 'gpu' | 'npu'): ModelServing =>
  readYaml(`config/samples/${document}/modelserving.yaml`);

/** One small role with as many workers as asked. */
export function smallServing(
  name: string,
  options: { replicas?: number; workers?: number; spec?: object } = {},
): ModelServing {
  const template = { spec: { containers: [{ name: 'engine', image: 'engine:v1' }] } };
  const { replicas = 1, workers = 0, spec = {} } = options;
  const role = { name: 'decode', replicas: 1, workerReplicas: workers, entryTemplate: template };
  return {
    apiVersion: 'workload.serving.volcano.sh/v1alpha1',
    kind: 'ModelServing',
    metadata: { name },
    spec: {
      replicas,
      template: { roles: [workers > 0 ? { ...role, workerTemplate: template } : role] },
      ...spec,
    },
  };
}

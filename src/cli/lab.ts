/**
 * The whole of Tandem in one process: API server, scheduler, kubelet and simulated engines of the lab, or only the
 * kubelet's half when it joins a real control plane, and the four parts in front of them.
 */

import { customResourceDefinitions } from '../api/crd.js';
import { systemClock } from '../base/clock.js';
import { Opened } from '../base/opened.js';
import type { Running } from '../base/running.js';
import type { KubeClient, RawObject } from '../kube/client.js';
import { connectCluster } from '../kube/http-client.js';
import { isAlreadyExists, isNotFound } from '../kube/kube-error.js';
import type { Connection } from '../kube/kubeconfig.js';
import { crds, namespaces, services } from '../kube/resources.js';
import { type ApiServer, startApiServer } from '../lab/apiserver/server.js';
import { loadFleet } from '../lab/fleet/fleet.js';
import { type Kubelet, startKubelet } from '../lab/kubelet/start.js';
import { startScheduler } from '../lab/scheduler/start.js';
import { parseAddress } from '../server/listen.js';
import { loadProfiles } from '../settings/profiles.js';
import { createLogger, type LogLevel } from '../telemetry/log.js';
import { controllerPart, extenderPart, routerPart, webhookPart } from './parts.js';

export interface LabOptions {
  /** YAML of nodes and fabric; absent: the default fleet. */
  readonly nodes?: string;
  /** Joins this cluster instead of starting an API server and a scheduler. */
  readonly join?: Connection;
  readonly apiListen?: string;
  readonly routerListen?: string;
  readonly logLevel: LogLevel;
  /** False leaves the scheduler without the extender, for comparison. */
  readonly useExtender?: boolean;
  readonly onWarning?: (text: string) => void;
}

export const partNames = ['webhook', 'controller', 'extender', 'router'] as const;
export type PartName = (typeof partNames)[number];

export interface Lab extends AsyncDisposable {
  readonly client: KubeClient;
  readonly connection: Connection;
  /** Text of a kubeconfig for any kubectl; undefined when the lab joined a cluster. */
  readonly kubeconfig: string | undefined;
  readonly kubelet: Kubelet;
  part(name: PartName): Running;
  stopPart(name: PartName): Promise<void>;
  /** Starts a stopped part again at its old address. */
  startPart(name: PartName): Promise<void>;
  stop(): Promise<void>;
}

/** Milliseconds. Everything shares one laptop here: a busy moment must not cost the scheduler its advice. */
const patience = { answer: 5_000, http: 10_000 };

/** Where the documents look for the router: `kubectl get svc kthena-router -n kthena-system`. */
const routerService = { namespace: 'kthena-system', name: 'kthena-router' };

export async function startLab(options: LabOptions, signal: AbortSignal): Promise<Lab> {
  const opened = new Opened();
  try {
    return await openLab(options, signal, opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function openLab(options: LabOptions, signal: AbortSignal, opened: Opened): Promise<Lab> {
  const fleet = await loadFleet(options.nodes);
  const { connection, kubeconfig } = await openApi(options, signal, opened);
  const client = connectCluster(connection, {
    signal,
    userAgent: 'tandem-lab',
    ...(options.onWarning && { onWarning: options.onWarning }),
  });
  opened.add(async () => client[Symbol.asyncDispose]());
  await installCrds(client);
  const parts = new Parts(client, options, signal);
  opened.add(() => parts.stopAll());
  for (const name of partNames) await parts.start(name);
  if (!options.join) opened.add(await openScheduler(client, parts, options, signal));
  const kubelet = await startKubelet(
    {
      client,
      nodes: fleet,
      profiles: await loadProfiles(),
      ...(options.join && { heartbeatMs: 10_000, removeNodesOnStop: true }),
      logger: createLogger('kubelet', options.logLevel),
    },
    signal,
  );
  opened.add(() => kubelet.stop());
  await Promise.all([kubelet.ready, ...partNames.map((name) => parts.get(name).ready)]);
  await publishRouter(client, parts.get('router'));
  const stop = () => opened.close();
  return {
    client,
    connection,
    kubeconfig,
    kubelet,
    part: (name) => parts.get(name),
    stopPart: (name) => parts.stop(name),
    startPart: (name) => parts.start(name),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function openApi(
  { join, apiListen, logLevel }: LabOptions,
  signal: AbortSignal,
  opened: Opened,
): Promise<{ connection: Connection; kubeconfig: string | undefined }> {
  if (join) return { connection: join, kubeconfig: undefined };
  const { host, port } = parseAddress(apiListen ?? '127.0.0.1:0');
  const api = await startApiServer(
    { host, port, clock: systemClock, logger: createLogger('apiserver', logLevel) },
    signal,
  );
  opened.add(() => api.stop());
  await api.ready;
  return { connection: asConnection(api), kubeconfig: api.kubeconfig() };
}

function asConnection({ connection }: ApiServer): Connection {
  const { server, ca, token } = connection;
  return {
    ...{ server, ca, cert: undefined, key: undefined, servername: undefined, insecure: false },
    ...{ namespace: 'default', source: 'the lab' },
    headers: () => Promise.resolve({ authorization: `Bearer ${token}` }),
  };
}

async function openScheduler(
  client: KubeClient,
  parts: Parts,
  options: LabOptions,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const { address } = parts.get('extender');
  const extender = {
    urlPrefix: `http://${address?.host}:${address?.port}`,
    prioritizeVerb: 'prioritize',
    weight: 20,
    nodeCacheCapable: true,
    ignorable: true,
    httpTimeout: patience.http,
  };
  const scheduler = await startScheduler(
    {
      client,
      extenders: options.useExtender === false ? [] : [extender],
      logger: createLogger('scheduler', options.logLevel),
    },
    signal,
  );
  return () => scheduler.stop();
}

/** The four parts, each of which can be stopped and started again at the address it had. */
class Parts {
  readonly #client: KubeClient;
  readonly #options: LabOptions;
  readonly #signal: AbortSignal;
  readonly #running = new Map<PartName, Running>();
  readonly #listen: Record<PartName, string>;

  constructor(client: KubeClient, options: LabOptions, signal: AbortSignal) {
    this.#client = client;
    this.#options = options;
    this.#signal = signal;
    const any = '127.0.0.1:0';
    this.#listen = { webhook: any, controller: any, extender: any, router: options.routerListen ?? any };
  }

  get(name: PartName): Running {
    const part = this.#running.get(name);
    if (!part) throw new Error(`the ${name} is stopped`);
    return part;
  }

  async start(name: PartName): Promise<void> {
    const part = await this.#open(name);
    this.#running.set(name, part);
    if (part.address) this.#listen[name] = `${part.address.host}:${part.address.port}`;
    await part.ready;
  }

  async stop(name: PartName): Promise<void> {
    const part = this.#running.get(name);
    this.#running.delete(name);
    await part?.stop();
  }

  async stopAll(): Promise<void> {
    for (const name of [...partNames].reverse()) await this.stop(name);
  }

  #open(name: PartName): Promise<Running> {
    const client = this.#client;
    const common = { listen: this.#listen[name], logLevel: this.#options.logLevel };
    switch (name) {
      case 'webhook':
        return webhookPart(
          { ...common, client, url: 'https://127.0.0.1:0', scheduler: 'default-scheduler' },
          this.#signal,
        );
      case 'controller':
        return controllerPart({ ...common, client }, this.#signal);
      case 'extender':
        return extenderPart({ ...common, source: { client }, deadline: patience.answer }, this.#signal);
      case 'router':
        return routerPart({ ...common, source: { client } }, this.#signal);
    }
  }
}

async function installCrds(client: KubeClient): Promise<void> {
  for (const crd of customResourceDefinitions) {
    await client.apply(crds, crd as unknown as RawObject, { fieldManager: 'tandem-lab', force: true });
  }
  for (const crd of customResourceDefinitions) {
    await established(client, (crd['metadata'] as { name: string }).name);
  }
}

type Crd = RawObject & { status?: { conditions?: { type: string; status: string }[] } };

async function established(client: KubeClient, name: string): Promise<void> {
  for (;;) {
    const crd = await client.get<Crd>(crds, { name });
    if (crd.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Publishes the router's address as the documents look it up. */
async function publishRouter(client: KubeClient, router: Running): Promise<void> {
  const { namespace, name } = routerService;
  const { host = '127.0.0.1', port = 0 } = router.address ?? {};
  await ignore(isAlreadyExists, () => client.create(namespaces, { metadata: { name: namespace } } as RawObject));
  await ignore(isNotFound, () => client.delete(services, { namespace, name }));
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: { type: 'LoadBalancer', ports: [{ name: 'http', port, protocol: 'TCP' }] },
  };
  await client.create(services, service as RawObject);
  const status = { status: { loadBalancer: { ingress: [{ ip: host }] } } };
  await client.patch(services, { namespace, name, subresource: 'status' }, 'merge', status);
}

async function ignore(expected: (error: unknown) => boolean, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!expected(error)) throw error;
  }
}

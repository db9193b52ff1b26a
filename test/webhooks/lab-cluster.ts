/** The whole webhook process in front of the lab's API server, with our kinds and the Service that leads to it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import type { Test } from 'tap';
import { parse } from 'yaml';
import { modelServings } from '../../src/api/resources.js';
import { systemClock } from '../../src/base/clock.js';
import type { Running } from '../../src/base/running.js';
import type { KubeClient, RawObject } from '../../src/kube/client.js';
import { connectCluster } from '../../src/kube/http-client.js';
import { loadConnection } from '../../src/kube/kubeconfig.js';
import { crds, namespaces } from '../../src/kube/resources.js';
import { startApiServer } from '../../src/lab/apiserver/server.js';
import { loadProfiles } from '../../src/settings/profiles.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { startWebhook, type WebhookOptions } from '../../webhooks/start.js';

const profiles = await loadProfiles();
const loopback = { host: '127.0.0.1', port: 0 };
export const service = { name: 'tandem-webhook', namespace: 'tandem-system' };
export const yaml = async (path: string) => parse(await readFile(path, 'utf8')) as RawObject;

export interface Cluster {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  /** Where the Service leads; the last started replica. */
  backend: Running | undefined;
  start(options?: Partial<WebhookOptions>): Promise<Running>;
}

export async function startCluster(t: Test): Promise<Cluster> {
  const abort = new AbortController();
  const folder = await mkdtemp(join(tmpdir(), 'tandem-webhook-'));
  const running: Running[] = [];
  const made: { cluster?: Cluster } = {};
  const api = await startApiServer(
    { ...loopback, logger: silentLogger, clock: systemClock, resolveService: () => made.cluster?.backend?.address },
    abort.signal,
  );
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, api.kubeconfig());
  const connection = await loadConnection({ file: kubeconfig, env: {} });
  const client = connectCluster(connection, { signal: abort.signal, userAgent: 'test' });
  for (const kind of ['modelservings.workload', 'modelservers.networking', 'modelroutes.networking']) {
    await client.create(crds, await yaml(`config/crd/${kind}.serving.volcano.sh.yaml`));
  }
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tandem-system' } });
  t.teardown(async () => {
    for (const part of running) await part.stop();
    abort.abort();
    await api.stop();
    await rm(folder, { recursive: true });
  });
  const start = async (options: Partial<WebhookOptions> = {}) => {
    const webhook = await startWebhook(
      {
        client,
        listen: loopback,
        profiles,
        logger: silentLogger,
        metrics: new Metrics(),
        clock: systemClock,
        ...(options.url === undefined && { service }),
        ...options,
      },
      abort.signal,
    );
    running.push(webhook);
    if (made.cluster) made.cluster.backend = webhook;
    await webhook.ready;
    return webhook;
  };
  made.cluster = { client, signal: abort.signal, backend: undefined, start };
  return made.cluster;
}

export const gpuServing = await yaml('config/samples/gpu/modelserving.yaml');
export const tryCreate = (client: KubeClient) =>
  client.create<RawObject & { metadata: { annotations?: Record<string, string> } }>(
    modelServings,
    gpuServing,
    { namespace: 'default' },
    { dryRun: true },
  );

export async function eventually(t: Test, what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  t.fail(what);
}

/** Serial number of the certificate that a new connection sees. */
export function servedBy(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

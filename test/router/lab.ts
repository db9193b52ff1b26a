/** A router over stores that a test fills, beside engines on their own loopback addresses: real sockets, no cluster. */
import type { Test } from 'tap';
import type { Limits } from '../../router/limits.js';
import { type RouterOptions, startRouter } from '../../router/start.js';
import type { Pod } from '../../src/api/kube.js';
import { labels } from '../../src/api/names.js';
import type { ModelRoute, ModelServer } from '../../src/api/types.js';
import { systemClock } from '../../src/base/clock.js';
import type { Running } from '../../src/base/running.js';
import { ObjectMap } from '../../src/kube/object-map.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';

export interface Cluster {
  readonly pods: ObjectMap<Pod>;
  readonly modelServers: ObjectMap<ModelServer>;
  readonly modelRoutes: ObjectMap<ModelRoute>;
}

export const emptyCluster = (): Cluster => {
  const map = { logger: silentLogger, same: () => false };
  return {
    pods: new ObjectMap<Pod>(map),
    modelServers: new ObjectMap<ModelServer>(map),
    modelRoutes: new ObjectMap<ModelRoute>(map),
  };
};

export interface PodWanted {
  readonly name: string;
  readonly ip: string;
  readonly role?: string;
  readonly group?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ready?: boolean;
  readonly args?: readonly string[];
}

/** A ready entry pod of serving `m`, as the controller labels it. */
export function podOf({ name, ip, role, group = 'm-0', labels: more, ready = true, args = [] }: PodWanted): Pod {
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      labels: {
        [labels.name]: 'm',
        [labels.groupName]: group,
        [labels.entry]: 'true',
        ...(role !== undefined && { [labels.role]: role, [labels.roleId]: `${role}-0` }),
        ...more,
      },
    },
    spec: { containers: [{ name: 'vllm', args }] },
    status: { podIP: ip, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

export function serverOf(
  port: number,
  spec: Partial<ModelServer['spec']> = {},
  annotations: Record<string, string> = {},
): ModelServer {
  return {
    metadata: { name: 'm', namespace: 'default', annotations },
    spec: {
      inferenceEngine: 'vLLM',
      workloadPort: { port },
      kvConnector: { type: 'nixl' },
      workloadSelector: {
        matchLabels: { [labels.name]: 'm' },
        pdGroup: {
          groupKey: labels.groupName,
          prefillLabels: { [labels.role]: 'prefill' },
          decodeLabels: { [labels.role]: 'decode' },
        },
      },
      ...spec,
    },
  };
}

export function routeOf(modelName: string, spec: Partial<ModelRoute['spec']> = {}, name = 'm'): ModelRoute {
  return {
    metadata: { name, namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { modelName, rules: [{ targetModels: [{ modelServerName: 'm' }] }], ...spec },
  };
}

export interface RouterLab {
  readonly cluster: Cluster;
  readonly running: Running;
  readonly url: string;
  readonly port: number;
  readonly metrics: Metrics;
  /** Access lines so far. */
  readonly access: Record<string, unknown>[];
  /** Resolves with the access line of the request with this id. */
  logged(id: string): Promise<Record<string, unknown>>;
}

export interface LabOptions {
  readonly pods: readonly PodWanted[];
  readonly server: ModelServer;
  readonly route?: ModelRoute;
  readonly limits?: Partial<Limits>;
  readonly more?: Pick<RouterOptions, 'pool' | 'tls' | 'startTraces'>;
}

/** Starts a router over these objects; it stops with the test. */
export async function routerLab(
  t: Test,
  { pods, server, route = routeOf('tiny'), limits = {}, more = {} }: LabOptions,
): Promise<RouterLab> {
  const cluster = emptyCluster();
  cluster.pods.replaceAll(pods.map(podOf));
  cluster.modelServers.replaceAll([server]);
  cluster.modelRoutes.replaceAll([route]);
  const metrics = new Metrics();
  const log = accessLog();
  const abort = new AbortController();
  const running = await startRouter(
    {
      ...cluster,
      listen: { host: '127.0.0.1', port: 0 },
      logger: silentLogger,
      metrics,
      clock: systemClock,
      random: () => 0,
      limits: { avoidMs: 0, drainMs: 2000, deliverMs: 50, abandonedMs: 50, ...limits },
      accessLog: log.write,
      ...more,
    },
    abort.signal,
  );
  t.teardown(() => running.stop());
  const { port } = running.address ?? { port: 0 };
  return { cluster, running, url: `http://127.0.0.1:${port}`, port, metrics, access: log.lines, logged: log.logged };
}

function accessLog() {
  const lines: Record<string, unknown>[] = [];
  const waiting: { id: string; resolve: (line: Record<string, unknown>) => void }[] = [];
  const write = (text: Buffer) => {
    for (const line of text.toString().trim().split('\n')) {
      const parsed = JSON.parse(line) as Record<string, unknown>;
      lines.push(parsed);
      for (const { id, resolve } of waiting) if (id === parsed['id']) resolve(parsed);
    }
  };
  const logged = (id: string) =>
    new Promise<Record<string, unknown>>((resolve) => {
      const line = lines.find((line) => line['id'] === id);
      if (line) resolve(line);
      else waiting.push({ id, resolve });
    });
  return { lines, write, logged };
}

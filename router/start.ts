import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { type Clock, systemClock } from '../src/base/clock.js';
import type { Running } from '../src/base/running.js';
import type { ReadConnector } from '../src/core/pairing/dialect.js';
import { LoadTable } from '../src/core/pairing/load.js';
import { loadPrefixHasher, PrefixIndex } from '../src/core/pairing/prefix.js';
import type { Profiles } from '../src/core/profiles/types.js';
import { readPod } from '../src/core/reading/pod.js';
import { type Address, listen } from '../src/server/listen.js';
import { answerProbe, startProbeServer } from '../src/server/probes.js';
import { type Logger, once } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import { AccessLog } from './access-log.js';
import { directoryEvents } from './announce.js';
import { Directory, type Stores } from './directory.js';
import { defaultPool, EnginePool, type PoolOptions } from './engine/pool.js';
import { Handler } from './handler.js';
import { createHttpServer } from './http-server.js';
import { defaultLimits, type Limits } from './limits.js';
import type { Room } from './room.js';
import { addGauges, RouterMetrics } from './router-metrics.js';

export interface RouterOptions extends Stores {
  readonly listen: Address;
  /** A second address for `/metrics` and probes, which a gateway need not expose. */
  readonly metricsListen?: Address;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  /** In [0, 1): weights of routes, and ties between pods. */
  readonly random?: () => number;
  readonly limits?: Partial<Limits>;
  readonly pool?: Partial<PoolOptions>;
  /** Read the connector from the pods' arguments, where no label and no kvConnector says it. */
  readonly profiles?: Profiles;
  /** Where access lines go, several at once, each with its line end; by default the logger. */
  readonly accessLog?: (lines: string) => void;
}

/** The router: listens at once, and is ready when every store has been listed. */
export async function startRouter(options: RouterOptions, signal: AbortSignal): Promise<Running> {
  const limits = { ...defaultLimits, ...options.limits };
  const room = makeRoom(options, limits);
  const events = directoryEvents(room.warn, room.metrics, room.load);
  const directory = new Directory(options, connectorReader(options.profiles), events);
  const { logger } = options;
  const log = new AccessLog(options.accessLog ?? (logger.isLevelEnabled('info') ? linesTo(logger) : undefined));
  const hash = await loadPrefixHasher();
  const handler = new Handler({ room, directory, hash, log, logger, mintId: randomUUID });
  addGauges(
    options.metrics,
    () => handler.inFlight,
    () => room.pool.size,
  );
  const state = { notReady: () => handler.stopping ?? directory.notReady, metrics: options.metrics };
  const server = createHttpServer(limits, (request, response) => {
    if (!answerProbe(request, response, state)) handler.handle(request, response);
  });
  const probes = options.metricsListen && (await startProbeServer(options.metricsListen, state));
  const close = async () => {
    directory.close();
    room.pool.close();
    log.flush();
    await probes?.stop();
  };
  const address = await listen(server, options.listen).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return runningUntil(signal, address, syncedAll(options), async () => {
    await stopServing(server, handler, limits.drainMs);
    await close();
  });
}

function makeRoom(options: RouterOptions, limits: Limits): Room {
  const { clock = systemClock, random = Math.random } = options;
  return {
    pool: new EnginePool({ ...defaultPool, ...options.pool }),
    load: new LoadTable(),
    prefix: new PrefixIndex(),
    metrics: new RouterMetrics(options.metrics),
    warn: once(options.logger),
    limits,
    clock,
    random,
  };
}

function syncedAll({ pods, modelServers, modelRoutes }: Stores): Promise<void> {
  const ready = Promise.all([pods.synced, modelServers.synced, modelRoutes.synced]).then(() => undefined);
  ready.catch(() => undefined); // whoever waits for it hears of it; nobody has to
  return ready;
}

/** Stops once, when asked or when the signal says so. */
function runningUntil(
  signal: AbortSignal,
  address: Address,
  ready: Promise<void>,
  close: () => Promise<void>,
): Running {
  let stopped: Promise<void> | undefined;
  const stop = () => {
    signal.removeEventListener('abort', onAbort);
    stopped ??= close();
    return stopped;
  };
  const onAbort = () => void stop();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return { address, ready, stop, [Symbol.asyncDispose]: stop };
}

function connectorReader(profiles: Profiles | undefined): ReadConnector {
  return (pod) => {
    const connector = profiles && readPod(pod, profiles)?.connector;
    return connector && { connector: connector.name, dialect: connector.profile?.dialect };
  };
}

const linesTo =
  (logger: Logger) =>
  (lines: string): void => {
    for (const line of lines.split('\n')) if (line !== '') logger.info(JSON.parse(line) as object, 'request');
  };

/** Stops accepting, lets open answers finish within the limit, then breaks off what is left. */
async function stopServing(server: Server, handler: Handler, drainMs: number): Promise<void> {
  handler.beginStop();
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  await handler.drained(drainMs);
  server.closeAllConnections();
  await closed;
}

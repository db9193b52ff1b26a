import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../src/base/clock.js';
import type { TandemError } from '../src/base/errors.js';
import { Opened } from '../src/base/opened.js';
import type { Running } from '../src/base/running.js';
import type { ReadConnector } from '../src/core/pairing/dialect.js';
import { LoadTable } from '../src/core/pairing/load.js';
import { loadPrefixHasher, PrefixIndex } from '../src/core/pairing/prefix.js';
import type { Profiles } from '../src/core/profiles/types.js';
import { readPod } from '../src/core/reading/pod.js';
import type { Address } from '../src/server/listen.js';
import { type ProbeAnswer, type ProbeState, probeAnswer, startProbeServer } from '../src/server/probes.js';
import { type Logger, once } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import { AccessLog } from './access-log.js';
import { directoryEvents } from './announce.js';
import type { Carrier, ClientRequest } from './client/carrier.js';
import { ClientServer } from './client/client-server.js';
import type { ServingCertificate, ServingFiles } from './client/serving-certificate.js';
import { ClientAnswer } from './client-answer.js';
import { openCertificate } from './client-tls.js';
import { Directory, type Stores } from './directory.js';
import { defaultPool, EnginePool, type PoolOptions } from './engine/pool.js';
import { Handler } from './handler.js';
import { hexIds } from './hex-ids.js';
import { defaultLimits, type Limits } from './limits.js';
import { watchLoop } from './loop-delay.js';
import type { Room } from './room.js';
import { addGauges, RouterMetrics } from './router-metrics.js';
import { type OtherWorkers, startSharing } from './sharing.js';
import { Tracing } from './trace.js';

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
  /** Speak TLS with clients, HTTP/1.1 and HTTP/2; absent: HTTP/1.1 in cleartext. */
  readonly tls?: ServingFiles;
  readonly pool?: Partial<PoolOptions>;
  /** Read the connector from the pods' arguments, where no label and no kvConnector says it. */
  readonly profiles?: Profiles;
  /** The other workers, where this is one of several: pairing sees what they have given out too. */
  readonly workers?: OtherWorkers;
  /** Begin a trace for each request that has none; default false. */
  readonly startTraces?: boolean;
  /** Where access lines go, several at once, each with its line end; by default the logger. */
  readonly accessLog?: (lines: Buffer) => void;
}

/** The router: listens at once, and is ready when every store has been listed. Leaves nothing open when it cannot start. */
export async function startRouter(options: RouterOptions, signal: AbortSignal): Promise<Running> {
  const opened = new Opened();
  try {
    const { address, stopServing } = await open(options, opened);
    return runningUntil(signal, address, syncedAll(options), async () => {
      await stopServing();
      await opened.close();
    });
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function open(options: RouterOptions, opened: Opened) {
  const { logger, metrics, tls, metricsListen, listen } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const room = makeRoom(options, limits);
  opened.add(() => room.pool.close());
  const events = directoryEvents(room.warn, room.metrics, room.load);
  const directory = new Directory(options, connectorReader(options.profiles), events);
  opened.add(() => directory.close());
  const certificate = tls && (await openCertificate(tls, metrics, logger));
  opened.add(() => certificate?.close());
  const log = new AccessLog(options.accessLog ?? linesTo(logger));
  opened.add(() => log.flush());
  const hash = await loadPrefixHasher();
  const handler = new Handler({ room, directory, hash, log, logger, mintId: randomUUID });
  const { state, sharing } = joinWorkers(options, room, () => handler.stopping ?? directory.notReady);
  opened.add(() => sharing?.stop());
  const server = clientServer(room, handler, state, logger, certificate);
  const loop = exportReadings(options, room, handler, server);
  opened.add(() => loop.stop());
  const probes = metricsListen && (await startProbeServer(metricsListen, state));
  opened.add(() => probes?.stop());
  const address = await server.listen(listen);
  return { address, stopServing: () => stopServing(server, handler, limits.drainMs) };
}

function clientServer(
  room: Room,
  handler: Handler,
  state: ProbeState,
  logger: Logger,
  certificate: ServingCertificate | undefined,
): ClientServer {
  const onRequest = (request: ClientRequest, carrier: Carrier) => {
    const probe = probeAnswer(request.head.path, state);
    if (probe) answerProbe(new ClientAnswer(carrier), probe, logger);
    else handler.handle(request, carrier);
  };
  const onRefused = ({ code }: TandemError) => room.metrics.refused(code);
  const onPlainReads = () => {
    room.metrics.repair('plain-reads');
    room.warn('plain-reads', "clients are read in Node's own, slower way: this version of Node is not known here");
  };
  return new ClientServer(room.limits, { onRequest, onRefused, onPlainReads }, certificate);
}

function exportReadings({ metrics }: RouterOptions, room: Room, handler: Handler, server: ClientServer) {
  addGauges(metrics, {
    inFlight: () => handler.inFlight,
    toEngines: () => room.pool.size,
    fromClients: () => server.connections,
    places: () => room.load.places,
  });
  return watchLoop(metrics);
}

function makeRoom(options: RouterOptions, limits: Limits): Room {
  const { clock = systemClock, random = Math.random, pool } = options;
  const warn = once(options.logger);
  const metrics = new RouterMetrics(options.metrics);
  if (pool?.tls?.rejectUnauthorized === false)
    warn('engine-insecure', 'engines are spoken to over TLS without a look at who they are, as --engine-insecure asks');
  return {
    pool: new EnginePool({ ...defaultPool, ...pool }),
    load: new LoadTable(),
    prefix: new PrefixIndex(),
    metrics,
    warn,
    limits,
    clock,
    random,
    tracing: makeTracing(options, metrics, warn),
  };
}

function makeTracing({ startTraces = false }: RouterOptions, metrics: RouterMetrics, warn: Room['warn']): Tracing {
  const onIllegal = (traceparent: string) => {
    metrics.repair('traceparent');
    warn('traceparent', 'a client sends a traceparent that is not legal; a new trace begins here: mend the client', {
      traceparent: traceparent.slice(0, 100),
    });
  };
  return new Tracing({ startsAll: startTraces, mintHex: hexIds(), onIllegal });
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

function linesTo(logger: Logger): ((lines: Buffer) => void) | undefined {
  if (!logger.isLevelEnabled('info')) return undefined;
  return (lines) => {
    for (const line of lines.toString().split('\n'))
      if (line !== '') logger.info(JSON.parse(line) as object, 'request');
  };
}

/** What probes are answered with, and load that is seen by all: of this process alone, or with the other workers. */
function joinWorkers({ workers, metrics }: RouterOptions, { load, prefix }: Room, notReady: () => string | undefined) {
  const own = { notReady, metrics };
  return { state: workers?.probes(own) ?? own, sharing: workers && startSharing(load, prefix, workers) };
}

/** Stops accepting, lets open answers finish within the limit, then breaks off what is left. */
async function stopServing(server: ClientServer, handler: Handler, drainMs: number): Promise<void> {
  const until = performance.now() + drainMs;
  handler.beginStop();
  server.beginStop();
  await handler.drained(drainMs);
  await server.closed(Math.max(100, until - performance.now()));
}

function answerProbe(answer: ClientAnswer, probe: Promise<ProbeAnswer>, logger: Logger): void {
  probe
    .then(({ status, type, body }) => answer.send(status, `content-type: ${type}\r\n`, Buffer.from(body)))
    .catch((error: unknown) => logger.error({ err: error }, 'a probe could not be answered'));
}

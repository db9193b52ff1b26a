/** The controller: turns ModelServings into pods, services, PodGroups and status. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type Clock, systemClock } from '../base/clock.js';
import type { Running } from '../base/running.js';
import { exponential } from '../kube/backoff.js';
import type { KubeClient } from '../kube/client.js';
import { createEventRecorder } from '../kube/event-recorder.js';
import { runAsLeader } from '../kube/lease.js';
import { WorkQueue } from '../kube/work-queue.js';
import type { Address } from '../server/listen.js';
import { startProbeServer } from '../server/probes.js';
import type { Logger } from '../telemetry/log.js';
import type { Metrics } from '../telemetry/metrics.js';
import { Announcer } from './announce.js';
import { controllerMetrics } from './controller-metrics.js';
import { controllerErrors } from './errors.js';
import { Memory } from './memory.js';
import { Observer } from './observe.js';
import { keyOf } from './ownership.js';
import { type Reconciler, reconcile } from './reconcile.js';
import { startWatches, type Watches } from './watches.js';

export interface LeaderElectionOptions {
  /** Where the Lease is; default `tandem-system`. */
  readonly namespace?: string;
  /** Unique per process; default host name and a random part. */
  readonly identity?: string;
  /** Name of the Lease; default `tandem-controller`. */
  readonly name?: string;
  readonly holdSeconds?: number;
  readonly workSeconds?: number;
  readonly retrySeconds?: number;
}

export interface ControllerOptions {
  readonly client: KubeClient;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  /** Where probes and metrics are served; not at all when absent. */
  readonly address?: Address;
  /** ModelServings worked on at once, 1 or more; default 8. */
  readonly workers?: number;
  /** Only this namespace; all when absent. */
  readonly namespace?: string;
  /** Absent or false: this process works at once and alone. */
  readonly leaderElection?: boolean | LeaderElectionOptions;
}

const defaultWorkers = 8;

export async function startController(options: ControllerOptions, signal: AbortSignal): Promise<Running> {
  const { workers = defaultWorkers } = options;
  if (!Number.isSafeInteger(workers) || workers < 1) throw controllerErrors('bad-workers', { value: workers });
  const control = new AbortController();
  const stopOnAbort = () => void stop();
  let notReady = (): string | undefined => 'starting';
  // Listens before it watches: an address that is taken leaves nothing open.
  const server =
    options.address &&
    (await startProbeServer(options.address, { notReady: () => notReady(), metrics: options.metrics }));
  const assembled = assemble(options, control.signal);
  const { watches, finished } = assembled;
  notReady = assembled.notReady;
  const ready = watches.synced.then(() => undefined);
  ready.catch(() => undefined); // for whoever awaits it; a stop before the first list is no failure
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= (async () => {
      signal.removeEventListener('abort', stopOnAbort);
      control.abort();
      await finished();
      await server?.stop();
    })();
    return stopping;
  };
  if (signal.aborted) await stop();
  else signal.addEventListener('abort', stopOnAbort, { once: true });
  return {
    ...(server === undefined ? {} : { address: server.address }),
    ready,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface Assembled {
  readonly watches: Watches;
  notReady(): string | undefined;
  /** Resolves when everything that was opened has ended after the signal. */
  finished(): Promise<void>;
}

function assemble(options: ControllerOptions, signal: AbortSignal): Assembled {
  const { client, logger, clock = systemClock } = options;
  const memory = new Memory();
  const watches = startWatches({ client, logger, signal, namespace: options.namespace });
  let term: Term | undefined;
  const observer = new Observer({ watches, memory, clock }, (key) => term?.queue.add(key));
  const events = createEventRecorder({ client, component: 'modelserving-controller', logger, clock });
  const metrics = controllerMetrics(options.metrics, {
    queueDepth: () => term?.queue.depth ?? 0,
    lags: () => watches.lags(clock.now()),
    leading: () => term !== undefined,
  });
  const announcer = new Announcer(events);
  const parts: Reconciler = { client, clock, observer, memory, events, announcer, metrics };
  const work = async (until: AbortSignal): Promise<void> => {
    await watches.synced;
    if (until.aborted) return;
    term = startTerm(parts, watches, { workers: options.workers ?? defaultWorkers, logger, signal: until });
    await term.ended;
    term = undefined;
  };
  const working = lead(options, signal, work).catch((error: unknown) => {
    if (!signal.aborted) throw error; // a start that is cut short rejects `synced`, which is no failure of the work
  });
  return {
    watches,
    notReady: () => (signal.aborted ? 'stopping' : watches.notReady()),
    async finished() {
      await working;
      await watches.stopped;
      await events.flush();
    },
  };
}

function lead(
  { leaderElection, client, logger, clock = systemClock }: ControllerOptions,
  signal: AbortSignal,
  work: (until: AbortSignal) => Promise<void>,
): Promise<void> {
  if (leaderElection === undefined || leaderElection === false) return work(signal);
  const defaults = {
    namespace: 'tandem-system',
    name: 'tandem-controller',
    identity: `${hostname()}_${randomUUID().slice(0, 8)}`,
  };
  const chosen = leaderElection === true ? {} : leaderElection;
  return runAsLeader({ ...defaults, ...chosen, client, logger, clock, signal }, work);
}

interface Term {
  readonly queue: WorkQueue;
  /** Resolves when the last round has ended after the signal. */
  readonly ended: Promise<void>;
}

function startTerm(
  parts: Reconciler,
  watches: Watches,
  options: { workers: number; logger: Logger; signal: AbortSignal },
): Term {
  const queue = new WorkQueue({
    ...options,
    // A name held by a pod without our labels is freed without a word, so the pauses stay short.
    backoff: exponential({ base: 50, cap: 15_000 }),
    work: (key) => reconcile(key, parts, options.signal),
    onDone: (_key, failure) => parts.metrics.round(failure !== undefined),
  });
  for (const serving of watches.servings.list()) queue.add(keyOf(serving));
  const { signal } = options;
  const ended = new Promise<void>((resolve) => {
    const end = () => resolve(queue.stop());
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
  return { queue, ended };
}

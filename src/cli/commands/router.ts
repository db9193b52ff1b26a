import { limitsPerWorker } from '../../../router/limit-flags.js';
import type { Limits } from '../../../router/limits.js';
import { parseAddress } from '../../server/listen.js';
import { createLogger, type LogLevel } from '../../telemetry/log.js';
import { openCluster } from '../cluster.js';
import { limitsOf } from '../limit-options.js';
import { routerPart } from '../parts.js';
import { announce, serve } from '../serve.js';
import { schemeOf, type TlsFlags } from '../tls-options.js';
import { workerCount } from '../workers/count.js';

export interface Options extends TlsFlags {
  readonly listen: string;
  readonly metricsListen: string;
  /** Processes: a number, or auto. */
  readonly workers: string;
  readonly startTraces?: boolean;
  readonly objects?: string;
  readonly profiles?: string;
  readonly kubeconfig?: string;
  readonly logLevel: LogLevel;
}

export function run(options: Options): Promise<number> {
  const count = workerCount(options.workers);
  const limits = limitsOf({ ...options });
  return count === 1 ? runAlone(options, limits) : runCrew(options, limits, count);
}

function runAlone(options: Options, limits: Limits): Promise<number> {
  return serve(async (signal) => {
    const source = await sourceOf(options, signal);
    const { workers: _, ...own } = options;
    const running = await routerPart({ ...own, source, limits }, signal);
    announce('router', running, schemeOf(options));
    return [running];
  });
}

/** Every process of the crew is started with the same command line. */
async function runCrew(options: Options, limits: Limits, count: number): Promise<number> {
  const { default: cluster } = await import('node:cluster');
  if (cluster.isWorker) return runOne(options, limitsPerWorker(limits, count));
  const { startWorkers } = await import('../workers/primary.js');
  return serve(async (signal) => {
    const logger = createLogger('router', options.logLevel);
    const metricsListen = parseAddress(options.metricsListen);
    const running = await startWorkers({ count, metricsListen, drainMs: limits.drainMs, logger }, signal);
    announce('router', running, schemeOf(options));
    return [running];
  });
}

/** One worker; the primary answers on the address for metrics. */
async function runOne(options: Options, limits: Limits): Promise<number> {
  const { runWorker } = await import('../workers/worker.js');
  return runWorker(
    async (workers, signal) => {
      const source = await sourceOf(options, signal);
      const { metricsListen: _, ...own } = options;
      return routerPart({ ...own, source, limits, workers }, signal);
    },
    createLogger('router', options.logLevel),
  );
}

async function sourceOf({ objects, kubeconfig }: Options, signal: AbortSignal) {
  return objects === undefined ? { client: (await openCluster('router', kubeconfig, signal)).client } : { objects };
}

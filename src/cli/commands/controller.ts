import { hostname } from 'node:os';
import type { LogLevel } from '../../telemetry/log.js';
import { openCluster } from '../cluster.js';
import { controllerPart } from '../parts.js';
import { announce, serve } from '../serve.js';

export interface Options {
  readonly listen: string;
  readonly leaderElect?: boolean;
  readonly workers: string;
  readonly kubeconfig?: string;
  readonly logLevel: LogLevel;
}

export function run(options: Options): Promise<number> {
  return serve(async (signal) => {
    const { client, connection } = await openCluster('controller', options.kubeconfig, signal);
    const { listen, logLevel, leaderElect = false } = options;
    const leaderElection = { namespace: connection.namespace, identity: `${hostname()}-${process.pid}` };
    const running = await controllerPart(
      { client, listen, logLevel, workers: Number(options.workers), ...(leaderElect && { leaderElection }) },
      signal,
    );
    announce('controller', running);
    return [running];
  });
}

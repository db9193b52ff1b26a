import { hostname } from 'node:os';
import type { LogLevel } from '../../telemetry/log.js';
import { openCluster } from '../cluster.js';
import { controllerPart } from '../parts.js';
import { announce, serve } from '../serve.js';

/** Where an installation lives. */
const systemNamespace = 'tandem-system';

export interface Options {
  readonly listen: string;
  readonly leaderElect?: boolean;
  readonly leaderElectNamespace?: string;
  readonly workers?: string;
  readonly kubeconfig?: string;
  readonly logLevel: LogLevel;
}

export function run(options: Options): Promise<number> {
  return serve(async (signal) => {
    const { client, connection } = await openCluster('controller', options.kubeconfig, signal);
    const { listen, logLevel, leaderElect = false, workers } = options;
    // A kubeconfig's current namespace is the reader's, so two people would elect two leaders.
    const namespace = options.leaderElectNamespace ?? connection.podNamespace ?? systemNamespace;
    const leaderElection = { namespace, identity: `${hostname()}-${process.pid}` };
    const running = await controllerPart(
      {
        client,
        listen,
        logLevel,
        ...(workers !== undefined && { workers: Number(workers) }),
        ...(leaderElect && { leaderElection }),
      },
      signal,
    );
    announce('controller', running);
    return [running];
  });
}

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
    const { client } = await openCluster('controller', options.kubeconfig, signal);
    const running = await controllerPart({ ...options, client, workers: Number(options.workers) }, signal);
    announce('controller', running);
    return [running];
  });
}

import type { LogLevel } from '../../telemetry/log.js';
import { openCluster } from '../cluster.js';
import { routerPart } from '../parts.js';
import { announce, serve } from '../serve.js';

export interface Options {
  readonly listen: string;
  readonly metricsListen: string;
  readonly objects?: string;
  readonly profiles?: string;
  readonly kubeconfig?: string;
  readonly logLevel: LogLevel;
}

export function run(options: Options): Promise<number> {
  return serve(async (signal) => {
    const source =
      options.objects === undefined
        ? { client: (await openCluster('router', options.kubeconfig, signal)).client }
        : { objects: options.objects };
    const running = await routerPart({ ...options, source }, signal);
    announce('router', running);
    return [running];
  });
}

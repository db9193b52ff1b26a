import type { LogLevel } from '../../telemetry/log.js';
import { openCluster } from '../cluster.js';
import { extenderPart } from '../parts.js';
import { announce, serve } from '../serve.js';

export interface Options {
  readonly listen: string;
  readonly objects?: string;
  readonly kubeconfig?: string;
  readonly logLevel: LogLevel;
}

export function run(options: Options): Promise<number> {
  return serve(async (signal) => {
    const source =
      options.objects === undefined
        ? { client: (await openCluster('extender', options.kubeconfig, signal)).client }
        : { objects: options.objects };
    const running = await extenderPart({ source, listen: options.listen, logLevel: options.logLevel }, signal);
    announce('extender', running);
    return [running];
  });
}

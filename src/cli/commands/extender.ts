import type { LogLevel } from '../../telemetry/log.js';
import { openCluster } from '../cluster.js';
import { extenderPart } from '../parts.js';
import { announce, serve } from '../serve.js';

export interface Options {
  readonly listen: string;
  readonly objects?: string;
  readonly ladder?: string;
  readonly kubeconfig?: string;
  readonly logLevel: LogLevel;
}

export function run(options: Options): Promise<number> {
  return serve(async (signal) => {
    const source =
      options.objects === undefined
        ? { client: (await openCluster('extender', options.kubeconfig, signal)).client }
        : { objects: options.objects };
    const { listen, logLevel, ladder } = options;
    const running = await extenderPart({ source, listen, logLevel, ...(ladder !== undefined && { ladder }) }, signal);
    announce('extender', running);
    return [running];
  });
}

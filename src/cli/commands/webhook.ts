import type { LogLevel } from '../../telemetry/log.js';
import { openCluster } from '../cluster.js';
import { webhookPart } from '../parts.js';
import { announce, serve } from '../serve.js';

export interface Options {
  readonly listen: string;
  readonly url?: string;
  readonly service: string;
  readonly scheduler: string;
  readonly runtimeMounts: boolean;
  readonly options?: string;
  readonly certDir?: string;
  readonly injectCaFrom?: string;
  readonly profiles?: string;
  readonly kubeconfig?: string;
  readonly logLevel: LogLevel;
}

export function run(options: Options): Promise<number> {
  return serve(async (signal) => {
    const { client } = await openCluster('webhook', options.kubeconfig, signal);
    const running = await webhookPart({ ...options, client }, signal);
    announce('webhook', running, 'https');
    return [running];
  });
}

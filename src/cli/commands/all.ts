import type { LogLevel } from '../../telemetry/log.js';
import { openCluster } from '../cluster.js';
import { limitsOf } from '../limit-options.js';
import { controllerPart, extenderPart, routerPart, webhookPart } from '../parts.js';
import { announce, serve } from '../serve.js';
import { schemeOf, type TlsFlags } from '../tls-options.js';

export interface Options extends TlsFlags {
  readonly webhookListen: string;
  readonly controllerListen: string;
  readonly extenderListen: string;
  readonly workers?: string;
  readonly listen: string;
  readonly metricsListen: string;
  readonly startTraces?: boolean;
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
  const limits = limitsOf({ ...options });
  return serve(async (signal) => {
    const { client } = await openCluster('all', options.kubeconfig, signal);
    const { workers, ...rest } = options;
    const { logLevel } = rest;
    // The webhook comes first: what the controller creates is completed by it.
    const webhook = await webhookPart({ ...options, client, listen: options.webhookListen }, signal);
    announce('webhook', webhook, 'https');
    const controller = await controllerPart(
      {
        client,
        listen: options.controllerListen,
        logLevel,
        ...(workers !== undefined && { workers: Number(workers) }),
      },
      signal,
    );
    announce('controller', controller);
    const extender = await extenderPart({ source: { client }, listen: options.extenderListen, logLevel }, signal);
    announce('extender', extender);
    const router = await routerPart({ ...rest, source: { client }, limits }, signal);
    announce('router', router, schemeOf(options));
    return [webhook, controller, extender, router];
  });
}

import type { Logger } from '../../../telemetry/log.js';
import type { Obj } from '../object.js';
import type { Store } from '../store.js';
import type { Attributes } from './attributes.js';
import type { AdmissionChain } from './chain.js';

export type ResolveService = (service: {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}) => { readonly host: string; readonly port: number } | undefined;

export interface WebhookChainOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly resolveService: ResolveService | undefined;
}

export class WebhookChain implements AdmissionChain {
  constructor(_options: WebhookChainOptions) {
    //
  }
  mutate(attributes: Attributes & { object: Obj }): Promise<Obj> {
    return Promise.resolve(attributes.object);
  }
  validate(): Promise<void> {
    return Promise.resolve();
  }
  validateDelete(): Promise<void> {
    return Promise.resolve();
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

import type { KubeClient } from '../kube/client.js';
import type { Logger } from '../telemetry/log.js';

export interface WatchOptions {
  readonly client: KubeClient;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** All namespaces when undefined. */
  readonly namespace: string | undefined;
}

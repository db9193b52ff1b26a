/** What every request works on. */
import type { Logger } from '../../telemetry/log.js';
import type { AdmissionChain } from './admission/chain.js';
import type { Registry } from './registry.js';
import type { Store } from './store.js';

export interface ApiContext {
  readonly store: Store;
  readonly registry: Registry;
  readonly admission: AdmissionChain;
  readonly logger: Logger;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

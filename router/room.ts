import type { Clock } from '../src/base/clock.js';
import type { LoadTable } from '../src/core/pairing/load.js';
import type { PrefixIndex } from '../src/core/pairing/prefix.js';
import type { EnginePool } from './engine/pool.js';
import type { Limits } from './limits.js';
import type { RouterMetrics } from './router-metrics.js';
import type { Tracing } from './trace.js';

/** What the flows of all requests share. */
export interface Room {
  readonly pool: EnginePool;
  readonly load: LoadTable;
  readonly prefix: PrefixIndex;
  readonly limits: Limits;
  readonly metrics: RouterMetrics;
  readonly clock: Clock;
  readonly tracing: Tracing;
  /** In [0, 1). */
  readonly random: () => number;
  /** Says something once per key. */
  readonly warn: (key: string, message: string, fields?: Record<string, unknown>) => void;
}

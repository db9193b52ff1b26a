import type { ModelRoute, ModelServer } from '../../api/types.js';
import type { ServingReading } from '../reading/types.js';

/**
 * What else is known when one object is judged. A list that is absent is not known yet; all lists hold objects of the
 * judged object's own namespace only, so that no message can tell of another tenant.
 */
export interface CheckContext {
  readonly modelServings?: readonly ServingReading[];
  readonly modelServers?: readonly ModelServer[];
  readonly modelRoutes?: readonly ModelRoute[];
  /**
   * `live`: the other objects may change any moment, so a contradiction with one of them is a warning (else two objects
   * that must change together could never be changed). `complete`: all of them are at hand, as for `tandem check -f`.
   */
  readonly objects: 'live' | 'complete';
  /** Whether the cluster has Volcano's PodGroup CRD; undefined when it is not known. */
  readonly hasVolcano?: boolean;
  /** What pods get that ask for Volcano's scheduler where there is none. */
  readonly fallbackScheduler: string;
  /** False when nodes have no Ascend Docker Runtime, so driver mounts are the manifest's business. Default: it is there. */
  readonly hasAscendRuntime?: boolean;
  /** The protocols that the router in use speaks, by the names that connector profiles give them; undefined when not known. */
  readonly dialects?: readonly string[];
}

/** Nothing is known but the object itself. */
export const nothingKnown: CheckContext = { objects: 'live', fallbackScheduler: 'default-scheduler' };

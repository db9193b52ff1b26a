import type { Clock } from '../../base/clock.js';
import type { KubeClient } from '../../kube/client.js';
import type { Logger } from '../../telemetry/log.js';

/** One entry of `extenders` in a KubeSchedulerConfiguration, in its words. */
export interface ExtenderEntry {
  readonly urlPrefix: string;
  readonly filterVerb?: string;
  readonly prioritizeVerb?: string;
  readonly weight: number;
  readonly nodeCacheCapable: boolean;
  readonly ignorable: boolean;
  /** Milliseconds for the whole exchange. */
  readonly httpTimeout: number;
  /** Only pods that ask for one of these are sent; absent means every pod. */
  readonly managedResources?: readonly string[];
}

export interface SchedulerOptions {
  readonly client: KubeClient;
  readonly extenders: readonly ExtenderEntry[];
  /** Pods with one of these names in `spec.schedulerName` are scheduled; default `default-scheduler`. */
  readonly schedulerNames?: readonly string[];
  readonly logger: Logger;
  readonly clock?: Clock;
  /** 0 to below 1: breaks ties among the best nodes, as kube-scheduler does. */
  readonly random?: () => number;
}

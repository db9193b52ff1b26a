import type { Node, Pod } from '../src/api/kube.js';
import type { ModelServing } from '../src/api/types.js';
import { type Clock, systemClock } from '../src/base/clock.js';
import type { Running } from '../src/base/running.js';
import { defaultLadder, type Ladder } from '../src/core/placement/topology.js';
import type { ObjectStore } from '../src/kube/store.js';
import { type Address, listen } from '../src/server/listen.js';
import { closeServer } from '../src/server/probes.js';
import type { Logger } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import { createAnswers } from './answers.js';
import { extenderMetrics } from './metrics.js';
import { createExtenderServer } from './server.js';
import { createView } from './view.js';

export interface ExtenderOptions {
  readonly nodes: ObjectStore<Node>;
  readonly pods: ObjectStore<Pod>;
  /** Absent when ModelServings are not watched. */
  readonly servings?: ObjectStore<ModelServing>;
  readonly listen: Address;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  readonly ladder?: Ladder;
  /** Milliseconds after which an answer is neutral; default 100, a fifth of the httpTimeout that `config/scheduler` sets. */
  readonly deadline?: number;
}

/** Starts answering at once, neutrally until nodes and pods are known. */
export async function startExtender(options: ExtenderOptions, signal: AbortSignal): Promise<Running> {
  signal.throwIfAborted();
  const { metrics, logger, clock = systemClock, ladder = defaultLadder, deadline = 100 } = options;
  const view = createView({ ...options, clock, ladder });
  const counters = extenderMetrics(metrics, () => view.expectations.current().size);
  const answers = createAnswers({ view, metrics: counters, logger, deadline, elapsed: () => performance.now() });
  const server = createExtenderServer({ answers, metrics, counters, notReady: () => view.notReady(), logger });
  const stop = async (): Promise<void> => {
    signal.removeEventListener('abort', onAbort);
    view.close();
    await closeServer(server);
  };
  const onAbort = (): void => {
    stop().catch((error: unknown) => logger.error({ error: String(error) }, 'the extender did not stop cleanly'));
  };
  try {
    const address = await listen(server, options.listen);
    signal.addEventListener('abort', onAbort, { once: true });
    logger.info({ ...address }, 'extender listens');
    const ready = Promise.all([options.nodes.synced, options.pods.synced]).then(() => undefined);
    ready.catch(() => undefined); // whoever awaits `ready` sees it; a stop before the first list is no fault
    return { address, ready, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    view.close();
    throw error;
  }
}

import type { Node, Pod } from '../../api/kube.js';
import { systemClock } from '../../base/clock.js';
import { describeError } from '../../base/errors.js';
import type { Running } from '../../base/running.js';
import { createEventRecorder, type EventRecorder } from '../../kube/event-recorder.js';
import { isConflict, isNotFound } from '../../kube/kube-error.js';
import { startReflector } from '../../kube/reflector.js';
import { nodes as nodeKind, pods as podKind } from '../../kube/resources.js';
import type { Change } from '../../kube/store.js';
import { once } from '../../telemetry/log.js';
import { attempt, type Outcome } from './attempt.js';
import { connectExtenders, type ExtenderClient } from './extender-client.js';
import { Known } from './known.js';
import type { SchedulerOptions } from './options.js';
import { bind, reportUnscheduled } from './outcome.js';
import { SchedulingQueue } from './queue.js';

/**
 * A small kube-scheduler for the lab, against any API server: one pod at a time, assume, then bind in the background. It has
 * no preemption, volumes, pod affinity or topology spread; a pod that asks for the last two is scheduled without, and a
 * warning says so.
 */
export async function startScheduler(options: SchedulerOptions, signal: AbortSignal): Promise<Running> {
  signal.throwIfAborted();
  const end = new AbortController();
  const until = AbortSignal.any([signal, end.signal]);
  const { client, logger, clock = systemClock } = options;
  const nodes = startReflector<Node>(client, nodeKind, { signal: until, logger, clock });
  const pods = startReflector<Pod>(client, podKind, { signal: until, logger, clock });
  const events = createEventRecorder({ client, component: 'default-scheduler', logger, clock });
  const extenders = connectExtenders(options.extenders);
  const known = new Known(pods);
  const queue = new SchedulingQueue(clock);
  const scheduler = new Scheduler({ options, known, queue, extenders, events });
  nodes.subscribe((change) => scheduler.onNode(change));
  pods.subscribe((change) => scheduler.onPod(change));
  const ready = Promise.all([nodes.synced, pods.synced]).then(() => undefined);
  const done = ready.then(
    () => scheduler.run(until),
    (error: unknown) => {
      if (!until.aborted) throw error;
    },
  );
  ready.catch(() => undefined); // whoever awaits `ready` sees it; `done` has it too
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    end.abort();
    stopping ??= (async () => {
      await Promise.all([done, nodes.stopped, pods.stopped]);
      await events.flush();
      await Promise.all(extenders.map((extender) => extender.close()));
    })();
    return stopping;
  };
  signal.addEventListener('abort', () => void stop(), { once: true });
  return { ready, stop, [Symbol.asyncDispose]: stop };
}

interface Parts {
  readonly options: SchedulerOptions;
  readonly known: Known;
  readonly queue: SchedulingQueue;
  readonly extenders: readonly ExtenderClient[];
  readonly events: EventRecorder;
}

class Scheduler {
  readonly #parts: Parts;
  readonly #names: ReadonlySet<string>;
  readonly #warn: ReturnType<typeof once>;
  readonly #binding = new Set<Promise<void>>();
  #wakeUp: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#names = new Set(parts.options.schedulerNames ?? ['default-scheduler']);
    this.#warn = once(parts.options.logger);
  }

  onNode(change: Change<Node>): void {
    const { known, queue } = this.#parts;
    if (change.type === 'deleted') known.removeNode(change.object.metadata.name ?? '');
    else known.setNode(change.object);
    queue.wake();
    this.#wakeUp();
  }

  onPod(change: Change<Pod>): void {
    const { known, queue } = this.#parts;
    const { object } = change;
    if (change.type === 'deleted') known.removePod(object);
    else known.setPod(object);
    if (change.type !== 'deleted' && this.#isOurs(object)) queue.put(object);
    else queue.remove(object);
    if (freesRoom(change)) queue.wake();
    this.#wakeUp();
  }

  /** One pod after the other until the signal; resolves when the last binding is through. */
  async run(signal: AbortSignal): Promise<void> {
    const { queue } = this.#parts;
    while (!signal.aborted) {
      const pod = queue.next();
      if (pod === undefined) await this.#pause(queue.delay(), signal);
      else await this.#schedule(pod);
    }
    await Promise.all(this.#binding);
  }

  async #schedule(pod: Pod): Promise<void> {
    const { known, queue, extenders, options } = this.#parts;
    this.#warnOfIgnored(pod);
    const { logger, random = Math.random } = options;
    const outcome = await attempt({ pod, nodes: known.nodes, takenOn: known.takenFor(pod), extenders, random, logger });
    if (!queue.has(pod)) return; // deleted, bound by another or gated while the extender was asked
    if (outcome.is === 'chosen') {
      known.assume(pod, outcome.node);
      queue.remove(pod);
      const bound = this.#bind(pod, outcome.node).finally(() => this.#binding.delete(bound));
      this.#binding.add(bound);
      return;
    }
    queue.park(pod, outcome.is === 'unschedulable' ? 'change' : 'backoff');
    await this.#report(pod, outcome);
  }

  async #bind(pod: Pod, node: string): Promise<void> {
    const { known, queue, events, options } = this.#parts;
    try {
      await bind(options.client, pod, node, events);
    } catch (error) {
      known.forget(pod);
      if (isNotFound(error) || isConflict(error)) return; // gone, made anew, or bound by another: the watch tells
      options.logger.warn(
        { pod: pod.metadata.name, error: describeError(error) },
        'binding failed; the pod is tried again',
      );
      queue.park(pod, 'backoff');
      this.#wakeUp();
    }
  }

  async #report(pod: Pod, outcome: Exclude<Outcome, { is: 'chosen' }>): Promise<void> {
    const { events, options } = this.#parts;
    const { client, logger, clock = systemClock } = options;
    const reason = outcome.is === 'unschedulable' ? 'Unschedulable' : 'SchedulerError';
    try {
      await reportUnscheduled(client, pod, { reason, message: outcome.message }, { events, clock });
    } catch (error) {
      if (!isNotFound(error))
        logger.warn({ pod: pod.metadata.name, error: describeError(error) }, 'condition not written');
    }
  }

  #isOurs(pod: Pod): boolean {
    return (
      this.#names.has(pod.spec.schedulerName ?? 'default-scheduler') &&
      isPending(pod) &&
      !this.#parts.known.isAssumed(pod)
    );
  }

  #warnOfIgnored({ metadata, spec }: Pod): void {
    const ignored = ['podAffinity', 'podAntiAffinity'].filter((name) => spec.affinity?.[name] !== undefined);
    if (spec['topologySpreadConstraints'] !== undefined) ignored.push('topologySpreadConstraints');
    for (const name of ignored) {
      this.#warn(name, `the lab's scheduler does not know ${name}; a pod that has it is scheduled without`, {
        pod: metadata.name,
      });
    }
  }

  /** Until something changes, the time is over, or the signal. */
  #pause(milliseconds: number | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(() => this.#wakeUp(), milliseconds);
      const onAbort = () => this.#wakeUp();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#wakeUp = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#wakeUp = () => undefined;
        resolve();
      };
    });
  }
}

/** A pod that is waiting for a node and may get one. */
function isPending({ metadata, spec, status }: Pod): boolean {
  if (spec.nodeName || metadata.deletionTimestamp !== undefined || hasEnded(status)) return false;
  return (spec.schedulingGates?.length ?? 0) === 0;
}

/** A pod that left its node, or will not use it any more. */
function freesRoom({ type, object }: Change<Pod>): boolean {
  return type === 'deleted' || hasEnded(object.status) || object.metadata.deletionTimestamp !== undefined;
}

const hasEnded = (status: Pod['status']): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

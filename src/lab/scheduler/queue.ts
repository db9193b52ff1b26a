import type { Pod } from '../../api/kube.js';
import type { Clock, Instant } from '../../base/clock.js';

interface Waiting {
  readonly pod: Pod;
  readonly attempts: number;
  /** Not tried before this time. */
  readonly notBefore: Instant;
  /** Set while nothing has happened that could make room for it. */
  readonly parked: boolean;
}

/** Milliseconds, kube-scheduler's defaults. */
const firstBackoff = 1000;
const longestBackoff = 10_000;

/** Pods waiting for a node, by uid: highest priority first, then oldest. A pod that did not fit waits for a change. */
export class SchedulingQueue {
  readonly #waiting = new Map<string, Waiting>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** A pod is new or has changed. A changed pod is tried again, in its backoff. */
  put(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const before = this.#waiting.get(uid);
    if (before === undefined) this.#waiting.set(uid, { pod, attempts: 0, notBefore: 0, parked: false });
    else this.#waiting.set(uid, { ...before, pod, parked: before.parked && sameRequest(before.pod, pod) });
  }

  has(pod: Pod): boolean {
    return this.#waiting.has(pod.metadata.uid ?? '');
  }

  remove(pod: Pod): void {
    this.#waiting.delete(pod.metadata.uid ?? '');
  }

  /** The next pod to try; it stays until `remove` or `park`. */
  next(): Pod | undefined {
    const now = this.#clock.now();
    const ready = [...this.#waiting.values()].filter(({ parked, notBefore }) => !parked && notBefore <= now);
    ready.sort((a, b) => priorityOf(b.pod) - priorityOf(a.pod) || age(a.pod) - age(b.pod));
    return ready[0]?.pod;
  }

  /** The pod found no node: it waits for a change in the cluster, or, after an error, only for its backoff. */
  park(pod: Pod, until: 'change' | 'backoff'): void {
    const uid = pod.metadata.uid ?? '';
    const before = this.#waiting.get(uid) ?? { pod, attempts: 0 };
    const backoff = Math.min(longestBackoff, firstBackoff * 2 ** Math.min(before.attempts, 10));
    const notBefore = this.#clock.now() + backoff;
    this.#waiting.set(uid, { pod: before.pod, attempts: before.attempts + 1, notBefore, parked: until === 'change' });
  }

  /** Something changed that may make room: every parked pod is tried again once its backoff is over. */
  wake(): void {
    for (const [uid, waiting] of this.#waiting) this.#waiting.set(uid, { ...waiting, parked: false });
  }

  /** Milliseconds until a pod in backoff may be tried; undefined when none waits for time alone. */
  delay(): number | undefined {
    const times = [...this.#waiting.values()].filter(({ parked }) => !parked).map(({ notBefore }) => notBefore);
    return times.length === 0 ? undefined : Math.max(0, Math.min(...times) - this.#clock.now());
  }
}

export const priorityOf = ({ spec }: Pod): number => spec.priority ?? 0;

const age = ({ metadata }: Pod): number => Date.parse(metadata.creationTimestamp ?? '') || 0;

/** Status and annotations do not help a pod that did not fit; a nomination and a new spec may. */
function sameRequest(a: Pod, b: Pod): boolean {
  const request = ({ spec, status }: Pod) => JSON.stringify([spec, status?.nominatedNodeName]);
  return request(a) === request(b);
}

import type { Pod } from '../src/api/kube.js';
import type { Clock, Instant } from '../src/base/clock.js';

/**
 * Where pods that were just advised probably are. A scheduler binds in the background and tells nobody what it chose, so
 * the next pod of the group is asked about before the first one's binding is seen (scheduler-extender 5.1, 5.2). An
 * expectation ends with the binding, the deletion or its time; it is never a reason to refuse a node.
 */
export interface Expectations {
  expect(pod: Pod, node: string): void;
  forget(pod: Pod): void;
  /** Node by pod uid. */
  current(): ReadonlyMap<string, string>;
}

/** Milliseconds: longer than a binding takes to come back through the watch, shorter than a scheduler's retry backoff. */
const lasting = 3000;
const limit = 4096;

export function createExpectations(clock: Clock): Expectations {
  const expected = new Map<string, { readonly node: string; readonly until: Instant }>();
  return {
    expect({ metadata: { uid } }, node) {
      if (uid === undefined) return;
      expected.delete(uid);
      expected.set(uid, { node, until: clock.now() + lasting });
      const oldest = expected.keys().next();
      if (expected.size > limit && !oldest.done) expected.delete(oldest.value);
    },
    forget({ metadata: { uid } }) {
      expected.delete(uid ?? '');
    },
    current() {
      const now = clock.now();
      for (const [uid, { until }] of expected) if (until <= now) expected.delete(uid);
      return new Map([...expected].map(([uid, { node }]) => [uid, node]));
    },
  };
}

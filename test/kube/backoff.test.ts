import t from 'tap';
import { exponential, fullJitter } from '../../src/kube/backoff.js';

t.test('back-off grows, is capped, and full jitter stays below', async (t) => {
  const grow = exponential({ base: 10, cap: 100 });
  t.same([0, 1, 2, 3, 4, 99].map(grow), [10, 20, 40, 80, 100, 100]);
  const jitter = fullJitter({ base: 10, cap: 100 }, () => 0.5);
  t.same([0, 1, 9].map(jitter), [5, 10, 50]);
});

import fc from 'fast-check';
import t from 'tap';
import { Patience } from '../../webhooks/patience.js';

t.test('an edit is undone at once, a second writer is met with pauses that double', async (t) => {
  const patience = new Patience();
  t.equal(patience.pause(0), 0);
  patience.repaired(0);
  t.equal(patience.pause(100), 900);
  t.equal(patience.pause(1_000), 0);
  patience.repaired(1_000);
  t.equal(patience.pause(1_000), 2_000);
  patience.repaired(3_000);
  t.equal(patience.pause(3_000), 4_000);
  t.equal(patience.pause(3_000 + 600_001), 0, 'ten quiet minutes end the streak');
});

t.test('however fast a rival writes, the repairs of an hour stay few', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), (every) => {
      const patience = new Patience();
      let repairs = 0;
      for (let now = 0; now < 3_600_000; now += every) {
        if (patience.pause(now) > 0) continue;
        patience.repaired(now);
        repairs += 1;
      }
      return repairs < 25;
    }),
    { numRuns: 20 },
  );
});

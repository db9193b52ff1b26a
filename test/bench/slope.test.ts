import t from 'tap';
import { type Sample, slopeOf, studentT } from '../../bench/slope.js';

const hourMs = 3_600_000;
/** One sample a second for half an hour. */
const halfHour = (value: (second: number) => number): readonly Sample[] =>
  Array.from({ length: 1800 }, (_, second) => ({ atMs: second * 1000, value: value(second) }));
/** Repeats after 7 and after 40 seconds, as collections of garbage do. */
const sawtooth = (second: number): number => (second % 7) + (second % 40) / 4;

t.test('a straight line has its own slope and no doubt', async (t) => {
  const slope = slopeOf(halfHour((second) => 100 + second / 360));
  t.ok(Math.abs((slope?.perHour ?? 0) - 10) < 1e-6);
  t.ok(Math.abs((slope?.high ?? 0) - (slope?.low ?? 0)) < 1e-6);
});

t.test('a sawtooth that does not grow has zero inside its interval', async (t) => {
  const slope = slopeOf(halfHour((second) => 100 + sawtooth(second)));
  t.ok(slope && slope.low < 0 && slope.high > 0, JSON.stringify(slope));
});

t.test('a leak below the teeth of a sawtooth is seen', async (t) => {
  const slope = slopeOf(halfHour((second) => 100 + sawtooth(second) + (second * 1000 * 20) / hourMs));
  t.ok(slope && slope.low > 0, JSON.stringify(slope));
  t.ok(slope && slope.low < 20 && slope.high > 20, 'the interval holds the true growth of 20 per hour');
});

t.test('samples that resemble their neighbours do not narrow the interval', async (t) => {
  const coarse = slopeOf(halfHour((second) => ((Math.floor(second / 60) * 7919) % 13) + 1));
  const fine = slopeOf(
    Array.from({ length: 18_000 }, (_, i) => ({ atMs: i * 100, value: ((Math.floor(i / 600) * 7919) % 13) + 1 })),
  );
  const width = (slope: typeof coarse) => (slope ? slope.high - slope.low : 0);
  t.ok(Math.abs(width(fine) / width(coarse) - 1) < 0.05, `${width(fine)} and ${width(coarse)}`);
});

t.test('too little to say anything says nothing', async (t) => {
  t.equal(slopeOf([]), undefined);
  t.equal(slopeOf([{ atMs: 0, value: 1 }]), undefined);
  t.equal(slopeOf([0, 1, 2].map((second) => ({ atMs: second * 1000, value: second }))), undefined);
});

t.test('Student’s distribution as tables have it', async (t) => {
  for (const [freedom, value] of [
    [3, 3.182],
    [5, 2.571],
    [10, 2.228],
    [28, 2.048],
    [1000, 1.962],
  ] as const) {
    t.ok(Math.abs(studentT(freedom) / value - 1) < 0.01, `${freedom} degrees of freedom: ${studentT(freedom)}`);
  }
});

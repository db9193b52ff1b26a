export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

/** Growth per hour, and the interval that holds the true one in 95 of 100 runs. */
export interface Slope {
  readonly perHour: number;
  readonly low: number;
  readonly high: number;
}

const hourMs = 3_600_000;

/**
 * Least squares over the means of equal stretches of time: samples a second apart resemble each other, and counted one by one
 * would promise more certainty than there is. Undefined with less than four stretches that have samples.
 */
export function slopeOf(samples: readonly Sample[], stretches = 30): Slope | undefined {
  const points = means(samples, stretches);
  if (points.length < 4) return undefined;
  const x = average(points.map(({ atMs }) => atMs));
  const y = average(points.map(({ value }) => value));
  const spreadX = sum(points.map(({ atMs }) => (atMs - x) ** 2));
  const slope = sum(points.map(({ atMs, value }) => (atMs - x) * (value - y))) / spreadX;
  const freedom = points.length - 2;
  const rest = sum(points.map(({ atMs, value }) => (value - y - slope * (atMs - x)) ** 2)) / freedom;
  const margin = studentT(freedom) * Math.sqrt(rest / spreadX);
  return { perHour: slope * hourMs, low: (slope - margin) * hourMs, high: (slope + margin) * hourMs };
}

function means(samples: readonly Sample[], stretches: number): readonly Sample[] {
  const first = samples[0]?.atMs ?? 0;
  const length = ((samples.at(-1)?.atMs ?? 0) - first) / stretches || 1;
  const groups = new Map<number, Sample[]>();
  for (const sample of samples) {
    const stretch = Math.min(stretches - 1, Math.floor((sample.atMs - first) / length));
    groups.set(stretch, [...(groups.get(stretch) ?? []), sample]);
  }
  return [...groups.values()].map((group) => ({
    atMs: average(group.map(({ atMs }) => atMs)),
    value: average(group.map(({ value }) => value)),
  }));
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const average = (values: readonly number[]): number => sum(values) / values.length;

/** The 97.5 % point of Student's distribution, as an expansion around the normal one; within 1 % from 3 degrees of freedom on. */
export function studentT(freedom: number): number {
  const z = 1.959964;
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + first / freedom + second / freedom ** 2 + third / freedom ** 3;
}

/** Longer than any answer, and within what a timer of Node's can count, in milliseconds. */
export const longestTimeout = 7 * 24 * 3_600_000;

/** Milliseconds of a Go duration such as `10s`, `1m30s`, `500ms` or `0`; undefined when it is none. */
export function parseDuration(text: string | undefined): number | undefined {
  if (text === '0') return 0;
  if (text === undefined || !/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  const unit: Readonly<Record<string, number>> = {
    ns: 1e-6,
    us: 1e-3,
    µs: 1e-3,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
  };
  let total = 0;
  for (const [, amount, name = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(amount) * (unit[name] ?? 0);
  }
  return total;
}

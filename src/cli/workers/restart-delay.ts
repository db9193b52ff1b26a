/** A worker that has lived this long had nothing wrong from the start, in milliseconds. */
const soundMs = 10_000;
const firstMs = 100;
const longestMs = 30_000;

/** How long to wait before a worker is replaced: at once where it had lived, ever longer where one after another dies young. */
export function restartDelay(
  failures: number,
  livedMs: number,
): { readonly failures: number; readonly delayMs: number } {
  if (livedMs >= soundMs) return { failures: 0, delayMs: 0 };
  return { failures: failures + 1, delayMs: Math.min(longestMs, firstMs * 2 ** failures) };
}

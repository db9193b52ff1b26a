let second = -1;
let untilSecond = '';

/** ISO 8601 in UTC of milliseconds since the epoch; the calendar is asked once per second. */
export function isoTime(at: number): string {
  const ms = at % 1000;
  if (at - ms !== second) {
    second = at - ms;
    untilSecond = new Date(second).toISOString().slice(0, 20);
  }
  return `${untilSecond}${ms < 100 ? '0' : ''}${ms < 10 ? '0' : ''}${ms}Z`;
}

/** Ages as kubectl prints them: apimachinery `duration.HumanDuration`. */
export function age(since: unknown, now: number): string {
  const start = typeof since === 'string' ? Date.parse(since) : Number.NaN;
  return Number.isNaN(start) ? '<unknown>' : humanDuration(now - start);
}

const units = (seconds: number) => {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return { minutes, hours, days: Math.floor(hours / 24) };
};

/** Two figures at most: `45s`, `3m12s`, `25m`, `3h5m`, `2d4h`, `3y12d`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 120) return `${Math.max(0, seconds)}s`;
  const { minutes, hours, days } = units(seconds);
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm');
  return hours < 48 ? `${hours}h` : inDays(days, hours);
}

function inDays(days: number, hours: number): string {
  const years = Math.floor(days / 365);
  if (days < 8) return pair(days, 'd', hours % 24, 'h');
  if (years < 2) return `${days}d`;
  return years < 8 ? pair(years, 'y', days % 365, 'd') : `${years}y`;
}

const pair = (high: number, highUnit: string, low: number, lowUnit: string): string =>
  low === 0 ? `${high}${highUnit}` : `${high}${highUnit}${low}${lowUnit}`;

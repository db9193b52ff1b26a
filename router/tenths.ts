/** A duration in milliseconds with one decimal. `toFixed` costs ten times as much, and each request writes several. */
export function tenths(ms: number): string {
  const all = Math.round(ms * 10);
  const fraction = all % 10;
  return `${(all - fraction) / 10}.${Math.abs(fraction)}`;
}

import { formatQuantity, parseQuantity } from '../../base/quantity.js';

interface Counted {
  readonly requests: Readonly<Record<string, string | number>>;
  readonly times: number;
}

/** Sums per resource. As in Kubernetes the first quantity decides whether the sum is written with Ki, Mi, Gi. */
export function sumQuantities(counted: readonly Counted[]): Record<string, string> {
  const sums = new Map<string, { nano: bigint; binary: boolean }>();
  for (const { requests, times } of counted) {
    for (const [resource, quantity] of Object.entries(requests)) {
      const { nano, binary } = sums.get(resource) ?? { nano: 0n, binary: String(quantity).endsWith('i') };
      sums.set(resource, { nano: nano + (parseQuantity(quantity) ?? 0n) * BigInt(times), binary });
    }
  }
  return Object.fromEntries([...sums].map(([resource, { nano, binary }]) => [resource, format(nano, binary)]));
}

const units = ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki'];

/** The largest binary unit that divides the sum. */
function format(nano: bigint, binary: boolean): string {
  if (!binary || nano === 0n) return formatQuantity(nano);
  for (const [index, unit] of units.entries()) {
    const scale = 1_000_000_000n * 1024n ** BigInt(units.length - index);
    if (nano % scale === 0n) return `${nano / scale}${unit}`;
  }
  return formatQuantity(nano);
}

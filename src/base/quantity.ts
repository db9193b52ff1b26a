/**
 * Kubernetes resource quantities as exact integers of nano-units (1 = 1e-9).
 * Grammar: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
const decimal: Readonly<Record<string, bigint>> = {
  n: 1n,
  u: 1_000n,
  m: 1_000_000n,
  '': 1_000_000_000n,
  k: 10n ** 12n,
  M: 10n ** 15n,
  G: 10n ** 18n,
  T: 10n ** 21n,
  P: 10n ** 24n,
  E: 10n ** 27n,
};
const one = 1_000_000_000n;
const binary = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const shape = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([eE][+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i))?$/;

/** No quantity is longer than 100 characters, and pattern and BigInt take quadratic time on a hostile one. */
const matchShape = (text: string): RegExpExecArray | null => (text.length > 100 ? null : shape.exec(text));

/** Nano-units of a quantity such as `4`, `"500m"`, `"1.5Gi"`, `"1e3"`; undefined when it is not one. */
export function parseQuantity(text: string | number): bigint | undefined {
  const match = matchShape(String(text));
  if (!match) return undefined;
  const [, sign, digits = '', exponent, suffix = ''] = match;
  const [whole = '', fraction = ''] = digits.split('.');
  const unscaled = BigInt(`${whole}${fraction}`) * (exponent === undefined ? scaleOf(suffix) : one);
  const value = shiftDecimal(unscaled, Number(exponent?.slice(1) ?? 0) - fraction.length);
  return sign === '-' ? -value : value;
}

/** The quantity as a whole number of units, rounded up (how devices and bytes are counted); undefined when unreadable. */
export function wholeUnits(text: string | number | undefined): number | undefined {
  if (text === undefined) return undefined;
  const nano = parseQuantity(text);
  return nano === undefined ? undefined : Number(ceilDiv(nano, 1_000_000_000n));
}

/** Canonical decimal text of nano-units, as Kubernetes writes sums: `4`, `1500m`. */
export function formatQuantity(nano: bigint): string {
  if (nano % 1_000_000_000n === 0n) return String(nano / 1_000_000_000n);
  if (nano % 1_000_000n === 0n) return `${nano / 1_000_000n}m`;
  return nano % 1_000n === 0n ? `${nano / 1_000n}u` : `${nano}n`;
}

function shiftDecimal(value: bigint, places: number): bigint {
  return places >= 0 ? value * 10n ** BigInt(places) : ceilDiv(value, 10n ** BigInt(-places));
}

function scaleOf(suffix: string): bigint {
  const power = binary.indexOf(suffix);
  return power >= 0 ? 1_000_000_000n * 1024n ** BigInt(power + 1) : (decimal[suffix] ?? 1n);
}

function ceilDiv(a: bigint, b: bigint): bigint {
  return a % b === 0n || a < 0n ? a / b : a / b + 1n;
}

/** Text of nano-units of bytes in the largest binary unit that divides them: `8Gi`, `1536Mi`; rounded down to whole bytes. */
export function formatBytes(nano: bigint): string {
  const bytes = nano / one;
  const power = [4, 3, 2, 1].find((at) => bytes > 0n && bytes % 1024n ** BigInt(at) === 0n) ?? 0;
  return `${bytes / 1024n ** BigInt(power)}${power === 0 ? '' : (binary[power - 1] ?? '')}`;
}

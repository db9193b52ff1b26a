/** The canonical text of a quantity, as the real server stores it: `1000m` is `1`, `1024Mi` is `1Gi`, 4 is `"4"`. */
import { parseQuantity } from '../../base/quantity.js';

const decimal = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const binary = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** Undefined when the text is no quantity. */
export function canonicalQuantity(value: string | number): string | undefined {
  const text = String(value);
  const nano = parseQuantity(text);
  if (nano === undefined) return undefined;
  if (text.endsWith('i')) {
    const inBinary = reduce(nano / 1_000_000_000n, 1024n, binary, 0);
    if (nano % 1_000_000_000n === 0n && (nano / 1_000_000_000n >= 1024n || nano === 0n)) return inBinary;
  }
  if (/[eE][+-]?\d+$/.test(text) && nano % 1_000_000_000n === 0n) return exponent(nano / 1_000_000_000n);
  return nano === 0n ? '0' : reduce(nano, 1000n, decimal, 0);
}

function reduce(value: bigint, base: bigint, suffixes: readonly string[], start: number): string {
  let power = start;
  let rest = value;
  while (rest !== 0n && rest % base === 0n && power < suffixes.length - 1) {
    rest /= base;
    power++;
  }
  return `${rest}${suffixes[power]}`;
}

function exponent(value: bigint): string {
  let rest = value;
  let power = 0;
  while (rest !== 0n && rest % 1000n === 0n) {
    rest /= 1000n;
    power += 3;
  }
  return power === 0 ? String(rest) : `${rest}e${power}`;
}

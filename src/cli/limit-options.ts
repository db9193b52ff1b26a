import { InvalidArgumentError, Option } from 'commander';
import {
  checkTogether,
  defaultOf,
  type LimitFlag,
  type LimitUnit,
  limitFlags,
  readLimit,
} from '../../router/limit-flags.js';
import { defaultLimits, type Limits } from '../../router/limits.js';
import { TandemError } from '../base/errors.js';

const placeholder: Readonly<Record<LimitUnit, string>> = { bytes: 'size', duration: 'time', count: 'count' };

/** One flag for each limit of the router. */
export function limitOptions(): readonly Option[] {
  return limitFlags.map((row) =>
    new Option(`--${row.flag} <${placeholder[row.unit]}>`, `${row.says} (else ${defaultOf(row)})`)
      .helpGroup('Limits:')
      .argParser((value) => checked(row, value)),
  );
}

/** The limits as flags and configuration file set them. @throws bad-limit, bodies-below-body */
export function limitsOf(options: Readonly<Record<string, unknown>>): Limits {
  const set = limitFlags.flatMap((row) => {
    const value = options[new Option(`--${row.flag}`).attributeName()];
    return typeof value === 'string' ? [[row.limit, readLimit(row, value)]] : [];
  });
  const limits: Limits = { ...defaultLimits, ...Object.fromEntries(set) };
  checkTogether(limits);
  return limits;
}

/** The text itself: what a configuration file says comes as text too, and is read in one place. */
function checked(row: LimitFlag, value: string): string {
  try {
    readLimit(row, value);
  } catch (error) {
    if (error instanceof TandemError) throw new InvalidArgumentError(`${error.code}: ${error.message}.`);
    throw error;
  }
  return value;
}

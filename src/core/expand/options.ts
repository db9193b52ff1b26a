import type { AcceleratorProfile, Profiles } from '../profiles/types.js';
import { patternOf } from '../reading/pattern.js';
import type { Options } from './types.js';

type Option = NonNullable<AcceleratorProfile['options']>[number];

/** One option as it was written: its name, its value (`on` when none is written), and what is wrong with it. */
interface Written {
  readonly name: string;
  readonly value: string;
  readonly wrong?: { readonly want: string; readonly fix: string };
}

/** A value becomes that of a label, or part of names and paths: it is no longer than a label, has no slash and cannot climb. */
const shape = /^([a-z][-a-z0-9]*)(?:=([A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?))?$/;

/** `node-type=module-910b-8,whole-card` by name; what cannot be read is left out. */
export function readOptions(text: string | undefined): Options | undefined {
  if (text === undefined) return undefined;
  const read = written(text).filter(({ wrong }) => wrong === undefined);
  return new Map(read.map(({ name, value }) => [name, value]));
}

/** What is wrong with options as they are written, first thing first; undefined when all are known to a profile. */
export function optionProblem(text: string, profiles: Profiles): { want: string; fix: string } | undefined {
  const known = profiles.accelerators.flatMap(({ options = [] }) => options);
  for (const one of written(text)) {
    const wrong = one.wrong ?? unknown(one, known);
    if (wrong) return wrong;
  }
  return undefined;
}

const written = (text: string): readonly Written[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const [, name, value = 'on'] = shape.exec(one) ?? [];
      if (name !== undefined) return { name, value };
      const want = 'NAME=VALUE, separated by commas, with values of at most 63 characters';
      return { name: '', value: '', wrong: { want, fix: `correct "${one}": letters, digits, "-", "_" and "."` } };
    });

/** Whether an option takes a value. */
export const isValueOf = ({ values, pattern }: Option, value: string): boolean =>
  (values === undefined || values.includes(value)) && (pattern === undefined || patternOf(pattern).test(value));

function unknown({ name, value }: Written, known: readonly Option[]) {
  const meant = known.filter((option) => option.name === name);
  if (meant.length === 0) {
    const names = [...new Set(known.map((option) => option.name))].sort().join(', ');
    return { want: 'options of an accelerator profile', fix: `use ${names} instead of "${name}"` };
  }
  if (meant.some((option) => isValueOf(option, value))) return undefined;
  const values = [...new Set(meant.flatMap(({ values = [], pattern }) => pattern ?? values))].join(', ');
  const how = meant.some(({ pattern }) => pattern !== undefined) ? 'a value that matches' : 'one of';
  return { want: `${name}=VALUE with ${how} ${values}`, fix: `use another value than "${value}"` };
}

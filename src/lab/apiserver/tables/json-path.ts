/** The simple JSONPath of printer columns and scale paths: members, indexes, `[*]` and `[?(@.a=="b")]`. */
import { isDict, same } from '../object.js';

type Step = (values: readonly unknown[]) => readonly unknown[];

/** Compiles a path such as `.status.conditions[?(@.type=="Ready")].status`; undefined when it uses anything else. */
export function compileJsonPath(path: string): ((object: unknown) => readonly unknown[]) | undefined {
  const steps: Step[] = [];
  let rest = path
    .trim()
    .replace(/^\{(.*)\}$/, '$1')
    .replace(/^\$/, '');
  while (rest !== '') {
    const found = nextStep(rest);
    if (found === undefined) return undefined;
    steps.push(found.step);
    rest = rest.slice(found.length);
  }
  return (object) => steps.reduce<readonly unknown[]>((values, step) => step(values), [object]);
}

const forms: readonly (readonly [RegExp, (match: RegExpExecArray) => Step])[] = [
  [
    /^\.?\[\*\]/,
    () => (values) =>
      values.flatMap((value) => (Array.isArray(value) ? value : isDict(value) ? Object.values(value) : [])),
  ],
  [
    /^\[(-?\d+)\]/,
    (match) => (values) => values.flatMap((value) => (Array.isArray(value) ? present(value.at(Number(match[1]))) : [])),
  ],
  [/^\[['"]((?:[^'"\\]|\\.)*)['"]\]/, (match) => member(unescaped(match[1] ?? ''))],
  [/^\[\?\(\s*@\.((?:[\w-]|\.|\\\.)+)\s*==\s*(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*\)\]/, (match) => filter(match)],
  [/^\.((?:[\w/-]|\\.)+)/, (match) => member(unescaped(match[1] ?? ''))],
  [/^\.$/, () => (values) => values],
];

function nextStep(text: string): { step: Step; length: number } | undefined {
  for (const [form, make] of forms) {
    const match = form.exec(text);
    if (match) return { step: make(match), length: match[0].length };
  }
  return undefined;
}

const unescaped = (name: string): string => name.replace(/\\(.)/g, '$1');
const present = (value: unknown): unknown[] => (value === undefined ? [] : [value]);

const member =
  (name: string): Step =>
  (values) =>
    values.flatMap((value) => (isDict(value) ? present(value[name]) : []));

function filter(match: RegExpExecArray): Step {
  const path = (match[1] ?? '').split(/(?<!\\)\./).map(unescaped);
  const text = match[2] ?? match[3];
  const wanted = text ?? (JSON.parse(match[4] ?? 'null') as unknown);
  const read = (value: unknown) => path.reduce<unknown>((at, key) => (isDict(at) ? at[key] : undefined), value);
  return (values) =>
    values.flatMap((value) => (Array.isArray(value) ? value.filter((item) => same(read(item), wanted)) : []));
}

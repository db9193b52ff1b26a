/** Evaluates the CEL of `parse.ts` over JSON. Every function that is not listed here is refused when the rule is compiled. */
import { isDict, same } from '../../object.js';
import { CelSyntaxError, type Expression, parseCel } from './parse.js';

export class CelError extends Error {}

type Scope = Readonly<Record<string, unknown>>;
export type CelProgram = (scope: Scope) => unknown;

const macros = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);
const globals: Readonly<Record<string, (...args: unknown[]) => unknown>> = {
  size: (value) => sizeOf(value),
  string: (value) => (typeof value === 'string' ? value : JSON.stringify(value)),
  int: (value) => Math.trunc(Number(value)),
  double: (value) => Number(value),
  type: (value) => (Array.isArray(value) ? 'list' : typeof value),
};
const methods: Readonly<Record<string, (target: unknown, ...args: unknown[]) => unknown>> = {
  size: (target) => sizeOf(target),
  startsWith: (target, text) => asText(target).startsWith(asText(text)),
  endsWith: (target, text) => asText(target).endsWith(asText(text)),
  contains: (target, text) => asText(target).includes(asText(text)),
  matches: (target, pattern) => new RegExp(asText(pattern), 'u').test(asText(target)),
  lowerAscii: (target) => asText(target).toLowerCase(),
  upperAscii: (target) => asText(target).toUpperCase(),
  trim: (target) => asText(target).trim(),
  split: (target, separator) => asText(target).split(asText(separator)),
  join: (target, separator) => asList(target).join(separator === undefined ? '' : asText(separator)),
  isSorted: (target) => asList(target).every((item, index, list) => index === 0 || compare(list[index - 1], item) <= 0),
  sum: (target) => asList(target).reduce<number>((total, item) => total + Number(item), 0),
  min: (target) => asList(target).reduce((least, item) => (compare(item, least) < 0 ? item : least)),
  max: (target) => asList(target).reduce((most, item) => (compare(item, most) > 0 ? item : most)),
};

/** Compiles a rule. Throws `CelSyntaxError`, with the construct's name, for what is not supported. */
export function compileCel(text: string): CelProgram {
  const expression = parseCel(text);
  check(expression);
  return (scope) => evaluate(expression, scope);
}

/** Whether the rule compares with the object as it was. */
export const usesOldSelf = (text: string): boolean => /\boldSelf\b/.test(text);

function check(expression: Expression): void {
  if (expression.is === 'call') checkCall(expression);
  for (const part of partsOf(expression)) check(part);
}

function checkCall({ name, of, args }: Expression & { is: 'call' }): void {
  const known = of === undefined ? ['has', ...Object.keys(globals)] : [...macros, ...Object.keys(methods)];
  if (!known.includes(name)) {
    throw new CelSyntaxError(`the function ${name}() is not supported by the lab's API server`);
  }
  const needed = of === undefined ? needs.get(name) : macros.has(name) && 'name';
  if (needed && args[0]?.is !== needed) throw new CelSyntaxError(`${name}() needs a ${needed} first`);
}

const needs: ReadonlyMap<string, Expression['is']> = new Map([['has', 'member']]);

function partsOf(expression: Expression): readonly Expression[] {
  const parts = expression as Partial<Record<'of' | 'at' | 'left' | 'right' | 'test' | 'yes' | 'no', Expression>> & {
    readonly args?: readonly Expression[];
    readonly items?: readonly Expression[];
  };
  const single = [parts.of, parts.at, parts.left, parts.right, parts.test, parts.yes, parts.no];
  return [...single.filter((part) => part !== undefined), ...(parts.args ?? []), ...(parts.items ?? [])];
}

type Evaluators = {
  readonly [K in Expression['is']]: (expression: Extract<Expression, { is: K }>, scope: Scope) => unknown;
};

const evaluators: Evaluators = {
  literal: ({ value }) => value,
  name: ({ name }, scope) => variable(name, scope),
  member: ({ of, name }, scope) => member(evaluate(of, scope), name),
  index: ({ of, at }, scope) => index(evaluate(of, scope), evaluate(at, scope)),
  list: ({ items }, scope) => items.map((item) => evaluate(item, scope)),
  unary: ({ operator, of }, scope) => unary(operator, evaluate(of, scope)),
  binary: (expression, scope) => binary(expression, scope),
  conditional: ({ test, yes, no }, scope) => evaluate(asBoolean(evaluate(test, scope)) ? yes : no, scope),
  call: (expression, scope) => call(expression, scope),
};

function evaluate(expression: Expression, scope: Scope): unknown {
  const evaluator = evaluators[expression.is] as (expression: Expression, scope: Scope) => unknown;
  return evaluator(expression, scope);
}

function variable(name: string, scope: Scope): unknown {
  if (!(name in scope)) throw new CelError(`undeclared reference to '${name}'`);
  return scope[name];
}

function member(target: unknown, name: string): unknown {
  if (!isDict(target) || target[name] === undefined) throw new CelError(`no such key: ${name}`);
  return target[name];
}

function index(target: unknown, at: unknown): unknown {
  if (!Array.isArray(target)) return member(target, asText(at));
  const item = target[Number(at)] as unknown;
  if (item === undefined) throw new CelError(`index out of bounds: ${String(at)}`);
  return item;
}

function unary(operator: string, value: unknown): unknown {
  if (operator === '!') return !asBoolean(value);
  if (typeof value !== 'number') throw new CelError('no such overload');
  return -value;
}

/** `&&` and `||` absorb an error of one side when the other side decides, as CEL demands. */
function logic(left: () => boolean, right: () => boolean, decisive: boolean): boolean {
  let first: boolean | undefined;
  let failure: unknown;
  try {
    first = left();
  } catch (error) {
    failure = error;
  }
  if (first === decisive) return decisive;
  const second = right();
  if (second === decisive || failure === undefined) return second;
  throw failure;
}

const comparisons: Readonly<Record<string, (left: unknown, right: unknown) => boolean>> = {
  '==': same,
  '!=': (left, right) => !same(left, right),
  in: (left, right) =>
    Array.isArray(right) ? right.some((item) => same(item, left)) : isDict(right) && asText(left) in right,
  '<': (left, right) => compare(left, right) < 0,
  '<=': (left, right) => compare(left, right) <= 0,
  '>': (left, right) => compare(left, right) > 0,
  '>=': (left, right) => compare(left, right) >= 0,
};

function binary({ operator, left, right }: Expression & { is: 'binary' }, scope: Scope): unknown {
  const side = (of: Expression) => () => asBoolean(evaluate(of, scope));
  if (operator === '&&') return logic(side(left), side(right), false);
  if (operator === '||') return logic(side(left), side(right), true);
  const [first, second] = [evaluate(left, scope), evaluate(right, scope)];
  return comparisons[operator]?.(first, second) ?? arithmetic(operator, first, second);
}

const calculations: Readonly<Record<string, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => quotient(left, right),
  '%': (left, right) => left % nonZero(right),
};

function arithmetic(operator: string, left: unknown, right: unknown): unknown {
  if (operator === '+') {
    if (typeof left === 'string' && typeof right === 'string') return left + right;
    if (Array.isArray(left) && Array.isArray(right)) return [...(left as unknown[]), ...(right as unknown[])];
  }
  if (typeof left !== 'number' || typeof right !== 'number') throw new CelError('no such overload');
  return calculations[operator]?.(left, right);
}

function nonZero(value: number): number {
  if (value === 0) throw new CelError('division by zero');
  return value;
}

/** JSON does not tell 2 from 2.0: two whole numbers are divided as integers. */
function quotient(left: number, right: number): number {
  const exact = left / nonZero(right);
  return Number.isInteger(left) && Number.isInteger(right) ? Math.trunc(exact) : exact;
}

function call({ name, of, args }: Expression & { is: 'call' }, scope: Scope): unknown {
  if (of === undefined && name === 'has') return has(args[0], scope);
  if (of !== undefined && macros.has(name)) return macro(name, evaluate(of, scope), args, scope);
  const values = args.map((argument) => evaluate(argument, scope));
  return of === undefined ? globals[name]?.(...values) : methods[name]?.(evaluate(of, scope), ...values);
}

function has(argument: Expression | undefined, scope: Scope): boolean {
  if (argument?.is !== 'member') return false;
  const target = evaluate(argument.of, scope);
  return isDict(target) && target[argument.name] !== undefined && target[argument.name] !== null;
}

function macro(name: string, target: unknown, args: readonly Expression[], scope: Scope): unknown {
  const [variable, body, extra] = args;
  if (variable?.is !== 'name' || body === undefined) throw new CelError('no such overload');
  const items = Array.isArray(target) ? (target as unknown[]) : Object.keys(asObject(target));
  const value = (of: Expression, item: unknown) => evaluate(of, { ...scope, [variable.name]: item });
  const holds = (item: unknown) => asBoolean(value(body, item));
  switch (name) {
    case 'all':
      return items.every(holds);
    case 'exists':
      return items.some(holds);
    case 'exists_one':
      return items.filter(holds).length === 1;
    case 'filter':
      return items.filter(holds);
    default:
      return extra === undefined
        ? items.map((item) => value(body, item))
        : items.filter(holds).map((item) => value(extra, item));
  }
}

function compare(left: unknown, right: unknown): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0;
  throw new CelError('no such overload');
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return [...value].length;
  if (Array.isArray(value)) return value.length;
  return Object.keys(asObject(value)).length;
}

function asBoolean(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new CelError('no such overload');
  return value;
}

function asText(value: unknown): string {
  if (typeof value !== 'string') throw new CelError('no such overload');
  return value;
}

function asList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new CelError('no such overload');
  return value as unknown[];
}

function asObject(value: unknown): Record<string, unknown> {
  if (!isDict(value)) throw new CelError('no such overload');
  return value;
}

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
  if (expression.is === 'call') {
    const { name, of, args } = expression;
    const isKnown = of === undefined ? name === 'has' || name in globals : macros.has(name) || name in methods;
    if (!isKnown) throw new CelSyntaxError(`the function ${name}() is not supported by the lab's API server`);
    if (macros.has(name) && args[0]?.is !== 'name') throw new CelSyntaxError(`${name}() needs a variable name first`);
    if (name === 'has' && args[0]?.is !== 'member') throw new CelSyntaxError('has() needs a member such as self.a');
  }
  for (const part of partsOf(expression)) check(part);
}

function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.is) {
    case 'literal':
    case 'name':
      return [];
    case 'member':
    case 'unary':
      return [expression.of];
    case 'index':
      return [expression.of, expression.at];
    case 'call':
      return [...(expression.of === undefined ? [] : [expression.of]), ...expression.args];
    case 'list':
      return expression.items;
    case 'binary':
      return [expression.left, expression.right];
    case 'conditional':
      return [expression.test, expression.yes, expression.no];
  }
}

function evaluate(expression: Expression, scope: Scope): unknown {
  switch (expression.is) {
    case 'literal':
      return expression.value;
    case 'name':
      if (!(expression.name in scope)) throw new CelError(`undeclared reference to '${expression.name}'`);
      return scope[expression.name];
    case 'member':
      return member(evaluate(expression.of, scope), expression.name);
    case 'index':
      return index(evaluate(expression.of, scope), evaluate(expression.at, scope));
    case 'list':
      return expression.items.map((item) => evaluate(item, scope));
    case 'unary':
      return unary(expression.operator, evaluate(expression.of, scope));
    case 'binary':
      return binary(expression, scope);
    case 'conditional':
      return evaluate(asBoolean(evaluate(expression.test, scope)) ? expression.yes : expression.no, scope);
    case 'call':
      return call(expression, scope);
  }
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

function binary(expression: Expression & { is: 'binary' }, scope: Scope): unknown {
  const { operator } = expression;
  const side = (of: Expression) => () => asBoolean(evaluate(of, scope));
  if (operator === '&&') return logic(side(expression.left), side(expression.right), false);
  if (operator === '||') return logic(side(expression.left), side(expression.right), true);
  const left = evaluate(expression.left, scope);
  const right = evaluate(expression.right, scope);
  switch (operator) {
    case '==':
      return same(left, right);
    case '!=':
      return !same(left, right);
    case 'in':
      return Array.isArray(right) ? right.some((item) => same(item, left)) : isDict(right) && asText(left) in right;
    case '<':
      return compare(left, right) < 0;
    case '<=':
      return compare(left, right) <= 0;
    case '>':
      return compare(left, right) > 0;
    case '>=':
      return compare(left, right) >= 0;
    default:
      return arithmetic(operator, left, right);
  }
}

function arithmetic(operator: string, left: unknown, right: unknown): unknown {
  if (operator === '+' && typeof left === 'string' && typeof right === 'string') return left + right;
  if (operator === '+' && Array.isArray(left) && Array.isArray(right))
    return [...(left as unknown[]), ...(right as unknown[])];
  if (typeof left !== 'number' || typeof right !== 'number') throw new CelError('no such overload');
  if ((operator === '/' || operator === '%') && right === 0) throw new CelError('division by zero');
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return Number.isInteger(left) && Number.isInteger(right) ? Math.trunc(left / right) : left / right;
    default:
      return left % right;
  }
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

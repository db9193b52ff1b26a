/** Runs the `x-kubernetes-validations` of a schema over an object, with the old object where both have the value. */
import { type FieldError, forbidden, invalid, required } from '../../field-error.js';
import { type Dict, isDict, same } from '../../object.js';
import { memberPath, type Schema, type ValidationRule } from '../../schema.js';
import { CelError, type CelProgram, compileCel, usesOldSelf } from './evaluate.js';

const programs = new Map<string, CelProgram>();
const programLimit = 1000;

function programOf(text: string): CelProgram {
  const known = programs.get(text);
  if (known !== undefined) return known;
  const program = compileCel(text);
  if (programs.size < programLimit) programs.set(text, program);
  return program;
}

export function ruleErrors(schema: Schema, object: Dict, old: Dict | undefined): FieldError[] {
  return [...walk(schema, object, old, '')];
}

function* walk(schema: Schema, value: unknown, old: unknown, at: string): Generator<FieldError> {
  if (value === null || value === undefined) return;
  for (const rule of schema['x-kubernetes-validations'] ?? []) yield* check(schema, rule, value, old, at);
  if (Array.isArray(value)) yield* items(schema, value as unknown[], old, at);
  else if (isDict(value)) yield* members(schema, value, old, at);
}

function* members(schema: Schema, value: Dict, old: unknown, at: string): Generator<FieldError> {
  for (const [name, item] of Object.entries(value)) {
    const property = schema.properties?.[name];
    const member =
      property ?? (isDict(schema.additionalProperties) ? (schema.additionalProperties as Schema) : undefined);
    if (member !== undefined) yield* walk(member, item, isDict(old) ? old[name] : undefined, memberPath(at, name));
  }
}

function* items(schema: Schema, value: readonly unknown[], old: unknown, at: string): Generator<FieldError> {
  const itemSchema = schema.items;
  if (itemSchema === undefined) return;
  const keys = schema['x-kubernetes-list-map-keys'];
  for (const [index, item] of value.entries()) {
    // Only items that a key tells apart have an old self; the place in a list says nothing.
    const before =
      keys === undefined || !Array.isArray(old) ? undefined : old.find((other) => hasSameKeys(keys, item, other));
    yield* walk(itemSchema, item, before, `${at}[${index}]`);
  }
}

const hasSameKeys = (keys: readonly string[], a: unknown, b: unknown): boolean =>
  isDict(a) && isDict(b) && keys.every((key) => same(a[key], b[key]));

function* check(schema: Schema, rule: ValidationRule, value: unknown, old: unknown, at: string): Generator<FieldError> {
  if (usesOldSelf(rule.rule) && old === undefined) return;
  try {
    if (programOf(rule.rule)({ self: value, oldSelf: old }) === true) return;
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    yield invalid(at, schema.type ?? 'object', `${error.message} evaluating rule: ${messageOf(rule)}`);
    return;
  }
  yield refusal(schema, rule, value, `${at}${rule.fieldPath ?? ''}`.replace(/^\./, ''));
}

const messageOf = (rule: ValidationRule): string => rule.message?.trim() || `failed rule: ${rule.rule.trim()}`;

function refusal(schema: Schema, rule: ValidationRule, value: unknown, at: string): FieldError {
  const message = messageOf(rule);
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return forbidden(at, message);
    case 'FieldValueRequired':
      return required(at, message);
    default:
      break;
  }
  const isLarge = schema.type === 'object' || schema.type === 'array';
  return isLarge
    ? { reason: 'FieldValueInvalid', field: at, body: `Invalid value: ${message}` }
    : invalid(at, value, message);
}

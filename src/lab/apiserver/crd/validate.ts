/** Validation of a custom resource by its structural schema, with the paths and words of kube-openapi and apiextensions. */
import {
  duplicate,
  type FieldError,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
  typeInvalid,
} from '../field-error.js';
import { type Dict, isDict, same } from '../object.js';
import { isIntOrString, memberPath, rootMembers, type Schema } from '../schema.js';
import { formatErrors } from './format.js';
import { memberOf } from './prune.js';

export function schemaErrors(schema: Schema, object: Dict): FieldError[] {
  return [...valueErrors(schema, object, '', true)];
}

/** `at` is the path of the value; the root validates its own members only, metadata is checked elsewhere. */
function* valueErrors(schema: Schema, value: unknown, at: string, isRoot = false): Generator<FieldError> {
  if (value === null && schema.nullable === true) return;
  const wrong = wrongType(schema, value);
  if (wrong !== undefined) {
    const why = `${at || '<nil>'} in body must be of type ${wrong.wanted}: ${JSON.stringify(wrong.is)}`;
    yield typeInvalid(at, wrong.is, why);
  } else {
    yield* enumErrors(schema, value, at);
    if (isDict(value)) yield* objectErrors(schema, value, at, isRoot);
    else yield* plainErrors(schema, value, at);
  }
  yield* combinationErrors(schema, value, at);
}

function* enumErrors({ enum: allowed }: Schema, value: unknown, at: string): Generator<FieldError> {
  if (allowed === undefined || allowed.some((one) => same(one, value))) return;
  yield notSupported(
    at,
    value,
    allowed.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))),
  );
}

function* plainErrors(schema: Schema, value: unknown, at: string): Generator<FieldError> {
  if (typeof value === 'string') yield* stringErrors(schema, value, at);
  if (typeof value === 'number') yield* numberErrors(schema, value, at);
  if (Array.isArray(value)) yield* arrayErrors(schema, value, at);
}

const goTypes: Readonly<Record<string, string>> = {
  object: 'object',
  array: 'array',
  string: 'string',
  boolean: 'boolean',
};

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return goTypes[typeof value] ?? typeof value;
}

function wrongType(schema: Schema, value: unknown): { is: string; wanted: string } | undefined {
  const is = typeOf(value);
  if (isIntOrString(schema)) {
    return is === 'integer' || is === 'string' ? undefined : { is, wanted: 'integer,string' };
  }
  const wanted = schema.type;
  if (wanted === undefined || wanted === is || (wanted === 'number' && is === 'integer')) return undefined;
  return { is, wanted };
}

function* stringErrors(schema: Schema, value: string, at: string): Generator<FieldError> {
  const length = [...value].length;
  if (schema.minLength !== undefined && length < schema.minLength) {
    yield invalid(at, value, `${at} in body should be at least ${schema.minLength} chars long`);
  }
  if (schema.maxLength !== undefined && length > schema.maxLength) yield tooLong(at, schema.maxLength);
  if (schema.pattern !== undefined && !matches(schema.pattern, value)) {
    yield invalid(at, value, `${at} in body should match '${schema.pattern}'`);
  }
  if (schema.format !== undefined) yield* formatErrors(schema.format, value, at);
}

const compiled = new Map<string, RegExp>();

/** Go's patterns search anywhere in the text, as JavaScript's do. */
function matches(pattern: string, value: string): boolean {
  let regex = compiled.get(pattern);
  if (regex === undefined) {
    regex = new RegExp(pattern, 'u');
    if (compiled.size < 1000) compiled.set(pattern, regex);
  }
  return regex.test(value);
}

function* numberErrors(schema: Schema, value: number, at: string): Generator<FieldError> {
  for (const why of [tooSmall(schema, value), tooBig(schema, value)]) {
    if (why !== undefined) yield invalid(at, value, `${at} in body should be ${why}`);
  }
  const { multipleOf, format } = schema;
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) {
    yield invalid(at, value, `${at} in body should be a multiple of ${multipleOf}`);
  }
  if (format === 'int32' && Math.trunc(value) !== (value | 0)) {
    yield invalid(at, value, `Checked value must be of type integer with format int32 in ${at}`);
  }
}

function tooSmall({ minimum, exclusiveMinimum = false }: Schema, value: number): string | undefined {
  if (minimum === undefined || value > minimum || (value === minimum && !exclusiveMinimum)) return undefined;
  return `greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`;
}

function tooBig({ maximum, exclusiveMaximum = false }: Schema, value: number): string | undefined {
  if (maximum === undefined || value < maximum || (value === maximum && !exclusiveMaximum)) return undefined;
  return `less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`;
}

function* arrayErrors(schema: Schema, value: readonly unknown[], at: string): Generator<FieldError> {
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    yield invalid(at, value.length, `${at} in body should have at least ${schema.minItems} items`);
  }
  if (schema.maxItems !== undefined && value.length > schema.maxItems) yield tooMany(at, value.length, schema.maxItems);
  yield* listTypeErrors(schema, value, at);
  for (const [index, item] of value.entries()) {
    if (schema.items !== undefined) yield* valueErrors(schema.items, item, `${at}[${index}]`);
  }
}

function* listTypeErrors(schema: Schema, value: readonly unknown[], at: string): Generator<FieldError> {
  const listType = schema['x-kubernetes-list-type'];
  if (listType !== 'set' && listType !== 'map') return;
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const identify = (item: unknown) =>
    listType === 'map' && isDict(item)
      ? Object.fromEntries(keys.map((key) => [key, item[key] ?? schema.items?.properties?.[key]?.default]))
      : item;
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const identity = identify(item);
    const text = JSON.stringify(identity);
    if (seen.has(text)) yield duplicate(`${at}[${index}]`, identity);
    seen.add(text);
  }
}

function* objectErrors(schema: Schema, value: Dict, at: string, isRoot: boolean): Generator<FieldError> {
  for (const name of schema.required ?? []) {
    if (value[name] === undefined) yield required(memberPath(at, name));
  }
  yield* countErrors(schema, Object.keys(value).length, at);
  for (const [name, item] of Object.entries(value)) {
    if (item === undefined || (isRoot && rootMembers.has(name))) continue;
    const member = memberOf(schema, name);
    if (member !== undefined) yield* valueErrors(member, item, memberPath(at, name));
  }
}

function* countErrors({ minProperties = 0, maxProperties }: Schema, count: number, at: string): Generator<FieldError> {
  if (maxProperties !== undefined && count > maxProperties) yield tooMany(at, count, maxProperties);
  if (count < minProperties) yield invalid(at, count, `${at} in body should have at least ${minProperties} properties`);
}

const isValid = (schema: Schema, value: unknown): boolean => valueErrors(schema, value, '').next().done === true;

function* combinationErrors(schema: Schema, value: unknown, at: string): Generator<FieldError> {
  for (const part of schema.allOf ?? []) yield* valueErrors(part, value, at);
  if (schema.anyOf !== undefined && !schema.anyOf.some((part) => isValid(part, value))) {
    yield unplaced(at, 'must validate at least one schema (anyOf)');
    // The real server adds what the alternative that came closest missed.
    const [first] = schema.anyOf;
    if (first !== undefined) yield* valueErrors(first, value, at);
  }
  if (schema.oneOf !== undefined && schema.oneOf.filter((part) => isValid(part, value)).length !== 1) {
    yield unplaced(at, 'must validate one and only one schema (oneOf)');
  }
  if (schema.not !== undefined && isValid(schema.not, value)) {
    yield unplaced(at, 'must not validate the schema (not)');
  }
}

const unplaced = (at: string, why: string): FieldError => invalid('<nil>', '', `${JSON.stringify(at)} ${why}`);

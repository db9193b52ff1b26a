/** What a schema must satisfy to be structural, and what this server refuses by name: apiextensions `schema/validation.go`. */
import { type FieldError, forbidden, invalid, notSupported, required } from '../field-error.js';
import type { Schema } from '../schema.js';
import { compileCel } from './cel/evaluate.js';
import { CelSyntaxError } from './cel/parse.js';

type Level = 'root' | 'item' | 'field';
const missingType: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};
const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

export function* structuralErrors(schema: Schema, at: string, level: Level = 'root'): Generator<FieldError> {
  if (schema.type) yield* typeErrors(schema, schema.type, at, level);
  else if (!mayLackType(schema, level)) yield required(`${at}.type`, missingType[level]);
  yield* shapeErrors(schema, at);
  yield* listErrors(schema, at);
  yield* patternErrors(schema, at);
  yield* ruleSyntaxErrors(schema, at);
  yield* nestedErrors(schema, at);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (level === 'root' && name === 'metadata') continue;
    yield* structuralErrors(property, `${at}.properties[${name}]`, 'field');
  }
  if (schema.items !== undefined) yield* structuralErrors(schema.items, `${at}.items`, 'item');
  if (typeof schema.additionalProperties === 'object') {
    yield* structuralErrors(schema.additionalProperties, `${at}.additionalProperties`, 'field');
  }
}

function* shapeErrors(schema: Schema, at: string): Generator<FieldError> {
  if (schema.type === 'array' && schema.items === undefined) yield required(`${at}.items`, 'must be specified');
  if (schema.properties !== undefined && schema.additionalProperties) {
    yield forbidden(`${at}.additionalProperties`, 'additionalProperties and properties are mutual exclusive');
  }
  if (schema.uniqueItems === true) {
    const why = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    yield forbidden(`${at}.uniqueItems`, why);
  }
  if (schema.$ref !== undefined) yield forbidden(`${at}.$ref`, '$ref is not supported');
}

const mayLackType = (schema: Schema, level: Level): boolean =>
  level !== 'root' &&
  (schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true);

function* typeErrors(schema: Schema, type: string, at: string, level: Level): Generator<FieldError> {
  if (!types.includes(type)) yield notSupported(`${at}.type`, type, types);
  if (level === 'root' && type !== 'object') yield invalid(`${at}.type`, type, 'must be object at the root');
  if (schema['x-kubernetes-int-or-string'] === true) {
    yield invalid(`${at}.type`, type, 'must be empty if x-kubernetes-int-or-string is true');
  }
}

function* listErrors(schema: Schema, at: string): Generator<FieldError> {
  const listType = schema['x-kubernetes-list-type'];
  if (listType !== undefined && schema.type !== 'array') {
    yield invalid(`${at}.type`, schema.type ?? '', 'must be array if x-kubernetes-list-type is specified');
  }
  if (listType === 'map') yield* keyErrors(schema.items ?? {}, schema['x-kubernetes-list-map-keys'] ?? [], at);
}

function* keyErrors(items: Schema, keys: readonly string[], at: string): Generator<FieldError> {
  const field = `${at}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) yield required(field, 'must not be empty if x-kubernetes-list-type is map');
  for (const key of keys) {
    if (items.properties?.[key] === undefined) {
      yield invalid(field, keys, 'entries must all be names of item properties');
    } else if (mayLackKey(items, key)) {
      const why = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
      yield required(`${at}.items.properties[${key}].default`, why);
    }
  }
}

const mayLackKey = ({ required: needed = [], properties }: Schema, key: string): boolean =>
  !needed.includes(key) && properties?.[key]?.default === undefined;

function* patternErrors(schema: Schema, at: string): Generator<FieldError> {
  if (schema.pattern === undefined) return;
  try {
    new RegExp(schema.pattern, 'u');
  } catch (error) {
    yield invalid(
      `${at}.pattern`,
      schema.pattern,
      `must be a valid regular expression, but isn't: ${(error as Error).message}`,
    );
  }
}

function* ruleSyntaxErrors(schema: Schema, at: string): Generator<FieldError> {
  for (const [index, { rule, messageExpression }] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    const field = `${at}.x-kubernetes-validations[${index}]`;
    if (messageExpression !== undefined) {
      yield forbidden(
        `${field}.messageExpression`,
        "messageExpression is not supported by the lab's API server; use message",
      );
    }
    try {
      compileCel(rule);
    } catch (error) {
      if (!(error instanceof CelSyntaxError)) throw error;
      yield invalid(`${field}.rule`, rule, `compilation failed: ${error.message}`);
    }
  }
}

const onlyOutside = [
  'default',
  'description',
  'title',
  'nullable',
  'additionalProperties',
  'x-kubernetes-preserve-unknown-fields',
] as const;

/** Schemas inside `allOf` and its kin only constrain values; what shapes them belongs outside. */
function* nestedErrors(schema: Schema, at: string): Generator<FieldError> {
  const parts = (['allOf', 'anyOf', 'oneOf'] as const).flatMap((junctor) =>
    (schema[junctor] ?? []).map((part, index) => ({ part, field: `${at}.${junctor}[${index}]` })),
  );
  const isIntOrString = schema['x-kubernetes-int-or-string'] === true;
  for (const { part, field } of parts) {
    if (part.type !== undefined && !isIntOrString) yield forbidden(`${field}.type`, 'must be empty to be structural');
    const misplaced = onlyOutside.filter((key) => (part as Record<string, unknown>)[key] !== undefined);
    for (const key of misplaced) yield forbidden(`${field}.${key}`, 'must be undefined to be structural');
  }
}

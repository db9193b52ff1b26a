/** What a schema must satisfy to be structural, and what this server refuses by name: apiextensions `schema/validation.go`. */
import { type FieldError, forbidden, invalid, required } from '../field-error.js';
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
  yield* typeErrors(schema, at, level);
  if (schema.type === 'array' && schema.items === undefined) yield required(`${at}.items`, 'must be specified');
  if (schema.properties !== undefined && schema.additionalProperties) {
    yield forbidden(`${at}.additionalProperties`, 'additionalProperties and properties are mutual exclusive');
  }
  if (schema.uniqueItems === true) {
    yield forbidden(
      `${at}.uniqueItems`,
      'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    );
  }
  if (schema.$ref !== undefined) yield forbidden(`${at}.$ref`, '$ref is not supported');
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

function* typeErrors(schema: Schema, at: string, level: Level): Generator<FieldError> {
  const mayLack =
    schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  if (schema.type === undefined || schema.type === '') {
    if (!mayLack || level === 'root') yield required(`${at}.type`, missingType[level]);
  } else if (!types.includes(schema.type)) {
    yield {
      reason: 'FieldValueNotSupported',
      field: `${at}.type`,
      body: `Unsupported value: ${JSON.stringify(schema.type)}: supported values: ${types.map((name) => JSON.stringify(name)).join(', ')}`,
    };
  } else if (level === 'root' && schema.type !== 'object')
    yield invalid(`${at}.type`, schema.type, 'must be object at the root');
  if (schema['x-kubernetes-int-or-string'] === true && schema.type !== undefined) {
    yield invalid(`${at}.type`, schema.type, 'must be empty if x-kubernetes-int-or-string is true');
  }
}

function* listErrors(schema: Schema, at: string): Generator<FieldError> {
  const listType = schema['x-kubernetes-list-type'];
  if (listType !== undefined && schema.type !== 'array') {
    yield invalid(`${at}.type`, schema.type ?? '', 'must be array if x-kubernetes-list-type is specified');
  }
  if (listType !== 'map') return;
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (keys.length === 0)
    yield required(`${at}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map');
  for (const key of keys) {
    const property = schema.items?.properties?.[key];
    if (property === undefined)
      yield invalid(`${at}.x-kubernetes-list-map-keys`, keys, 'entries must all be names of item properties');
    else if (!schema.items?.required?.includes(key) && property.default === undefined) {
      yield required(
        `${at}.items.properties[${key}].default`,
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      );
    }
  }
}

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
  for (const junctor of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [index, part] of (schema[junctor] ?? []).entries()) {
      const field = `${at}.${junctor}[${index}]`;
      const isIntOrString = schema['x-kubernetes-int-or-string'] === true;
      if (part.type !== undefined && !isIntOrString) yield forbidden(`${field}.type`, 'must be empty to be structural');
      for (const key of onlyOutside) {
        if ((part as Record<string, unknown>)[key] !== undefined)
          yield forbidden(`${field}.${key}`, 'must be undefined to be structural');
      }
    }
  }
}

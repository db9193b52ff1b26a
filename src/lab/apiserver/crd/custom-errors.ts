/** Everything that a custom resource can be refused for: its schema, its scale, its rules, in the order of the real server. */
import { type FieldError, invalid } from '../field-error.js';
import { at, type Dict, dictOf, isDict, type Obj, same } from '../object.js';
import type { ScalePaths } from '../resource-type.js';
import type { Schema } from '../schema.js';
import { ruleErrors } from './cel/rules.js';
import { schemaErrors } from './validate.js';

export interface Judged {
  readonly schema: Schema;
  readonly scale: ScalePaths | undefined;
}

/** An error on a value that an update leaves alone is forgiven, as ratcheting does. */
export function customErrors({ schema, scale }: Judged, object: Obj, old: Obj | undefined): FieldError[] {
  const found = schemaErrors(schema, object).filter((error) => old === undefined || !isUnchanged(error, object, old));
  return withRules(schema, [...found, ...scaleErrors(scale, object)], object, old);
}

/** Writes to `status` are judged by the status alone, whose paths then start inside it. */
export function statusErrors({ schema, scale }: Judged, object: Obj, old: Obj): FieldError[] {
  const part = schema.properties?.['status'];
  const found = part === undefined ? [] : schemaErrors(part, dictOf(object['status']));
  const placed = found.map((error) => ({ ...error, field: `status.${error.field}` }));
  const changed = placed.filter((error) => !isUnchanged(error, object, old));
  return withRules(schema, [...changed, ...scaleErrors(scale, object)], object, old);
}

const blocking = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

/** Rules only run on what the schema accepts; what was left out is said. */
function withRules(schema: Schema, errors: readonly FieldError[], object: Obj, old: Obj | undefined): FieldError[] {
  if (!hasRules(schema)) return [...errors];
  if (!errors.some(({ reason }) => blocking.has(reason))) return [...errors, ...ruleErrors(schema, object, old)];
  const why =
    'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
  return [...errors, invalid('<nil>', null, why)];
}

const known = new WeakMap<Schema, boolean>();

function hasRules(schema: Schema): boolean {
  const answer = known.get(schema);
  if (answer !== undefined) return answer;
  const inner = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.items === undefined ? [] : [schema.items]),
    ...(isDict(schema.additionalProperties) ? [schema.additionalProperties as Schema] : []),
  ];
  const found = (schema['x-kubernetes-validations'] ?? []).length > 0 || inner.some(hasRules);
  known.set(schema, found);
  return found;
}

function scaleErrors(scale: ScalePaths | undefined, object: Obj): FieldError[] {
  if (scale === undefined) return [];
  return [scale.spec, scale.status].flatMap((path) => {
    const value = at(object, ...path);
    const field = `.${path.join('.')}`;
    if (value === undefined) return [];
    if (typeof value !== 'number') {
      return [
        invalid(field, 0, `${field} accessor error: ${String(value)} is of the type ${typeof value}, expected int64`),
      ];
    }
    return value < 0 ? [invalid(field, value, 'should be a non-negative integer')] : [];
  });
}

function isUnchanged({ field, reason }: FieldError, object: Dict, old: Dict): boolean {
  const path = field.split(/[.[\]]+/).filter((part) => part !== '');
  // A missing member is judged by the object that lacks it.
  const where = reason === 'FieldValueRequired' ? path.slice(0, -1) : path;
  return where.length > 0 && same(valueAt(object, where), valueAt(old, where));
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (current, part) => (Array.isArray(current) ? current[Number(part)] : at(dictOf(current), part)),
    value,
  );
}

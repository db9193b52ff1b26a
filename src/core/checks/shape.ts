import { customResourceDefinitions } from '../../api/crd.js';
import { isObject } from '../../base/json.js';
import { type Finding, type FoundAt, finding } from './finding.js';
import { apply, type Rule, rule } from './rule.js';

interface Shaped {
  readonly object: unknown;
  readonly schema: Schema;
  /**
   * False: only what makes a reading impossible, types and required fields. A newer schema in the cluster may know fields
   * and values that this one does not, and its API server has judged them already.
   */
  readonly strict: boolean;
}

/** The words of a structural schema that are judged here. */
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
}

/** An API server says this by itself; a file is judged without one. */
export const shapeIsRight: Rule<Shaped> = rule({
  code: 'TND-100',
  severity: 'error',
  title: 'The object has the fields of its API',
  because: 'the API server refuses it, or drops what it does not know',
  source: 'config/crd',
  *check({ object, schema, strict }) {
    yield* judge(object, schema, { path: '', strict });
  },
});

/** What is wrong with the shape of a ModelServing, ModelServer or ModelRoute; other kinds are not known here. */
export function checkShape(kind: string, object: unknown, strict: boolean): readonly Finding[] {
  const schema = schemas.get(kind);
  return schema ? [...apply(shapeIsRight, { object, schema, strict })] : [];
}

const schemas = new Map<string, Schema>(
  (customResourceDefinitions as unknown as readonly Definition[]).map(({ spec: { names, versions } }) => {
    const { openAPIV3Schema: schema } = versions[0].schema;
    return [names.kind, { ...schema, required: ['spec'] }];
  }),
);
interface Definition {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: Schema } }];
  };
}

interface At {
  readonly path: string;
  readonly strict: boolean;
}

function* judge(value: unknown, schema: Schema, at: At): Iterable<FoundAt> {
  const want = wantedType(value, schema);
  if (want !== undefined) yield wrong(at.path, value, want);
  else if (isObject(value)) yield* judgeMembers(value, schema, at);
  else if (Array.isArray(value)) yield* judgeItems(value, schema, at);
  else if (at.strict) yield* judgeLimits(value, schema, at.path);
}

/** What the value should have been; undefined when its type is right. */
function wantedType(value: unknown, schema: Schema): string | undefined {
  if (schema['x-kubernetes-int-or-string']) {
    return typeof value === 'string' || Number.isInteger(value) ? undefined : 'a whole number or a string';
  }
  if (isOfType(value, schema.type)) return undefined;
  return schema.type === 'object' ? 'a mapping' : `a value of type ${schema.type}`;
}

function isOfType(value: unknown, type: string | undefined): boolean {
  switch (type) {
    case undefined:
      return true;
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function* judgeMembers(value: Record<string, unknown>, schema: Schema, { path, strict }: At): Iterable<FoundAt> {
  for (const name of schema.required ?? []) {
    if (value[name] === undefined) yield wrong(join(path, name), undefined, 'a value: the field is required');
  }
  for (const [name, member] of Object.entries(value)) {
    const at = { path: join(path, name), strict };
    const known = memberOf(schema, name);
    // Null is how YAML writes an absent value, and the API server drops it.
    if (member === null || member === undefined) continue;
    if (known) yield* judge(member, known, at);
    else if (strict)
      yield finding(at.path, { saw: name, want: namesOf(schema), fix: 'correct the spelling, or remove it' });
  }
}

const namesOf = ({ properties = {} }: Schema): string => `one of ${Object.keys(properties).slice(0, 12).join(', ')}`;

/** The schema of a member; that of anything when members are open, undefined when there is no such member. */
function memberOf(schema: Schema, name: string): Schema | undefined {
  const { properties, additionalProperties: others } = schema;
  if (properties && Object.hasOwn(properties, name)) return properties[name];
  if (typeof others === 'object') return others;
  const isOpen = others === true || schema['x-kubernetes-preserve-unknown-fields'] || properties === undefined;
  return isOpen ? {} : undefined;
}

function* judgeItems(value: readonly unknown[], schema: Schema, at: At): Iterable<FoundAt> {
  const { items, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
  const saw = `${value.length} items`;
  if (at.strict && value.length < minItems) yield wrong(at.path, saw, `at least ${minItems}`);
  if (at.strict && value.length > maxItems) yield wrong(at.path, saw, `at most ${maxItems}`);
  for (const [i, item] of value.entries()) {
    if (items) yield* judge(item, items, { ...at, path: `${at.path}[${i}]` });
  }
}

function* judgeLimits(value: unknown, schema: Schema, path: string): Iterable<FoundAt> {
  if (schema.enum && !schema.enum.includes(value)) yield wrong(path, value, `one of ${schema.enum.join(', ')}`);
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  if (typeof value === 'number' && value < minimum) yield wrong(path, value, `at least ${minimum}`);
  if (typeof value === 'number' && value > maximum) yield wrong(path, value, `at most ${maximum}`);
  if (typeof value === 'string') yield* judgeText(value, schema, path);
}

function* judgeText(value: string, { maxLength, pattern }: Schema, path: string): Iterable<FoundAt> {
  if (maxLength !== undefined && value.length > maxLength) yield wrong(path, value, `at most ${maxLength} characters`);
  if (pattern !== undefined && !new RegExp(pattern).test(value)) yield wrong(path, value, `text like ${pattern}`);
}

const join = (path: string, name: string): string =>
  path === '' ? name : /^\w+$/.test(name) ? `${path}.${name}` : `${path}["${name}"]`;
const wrong = (path: string, saw: unknown, want: string): FoundAt =>
  finding(path || 'the object', { saw, want, fix: 'correct it as config/samples shows' });

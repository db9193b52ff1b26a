/**
 * From a request's JSON to an object of a kind: wrong types are refused, members that the schema does not know are dropped
 * and named, so that `fieldValidation` can refuse or warn.
 */
import { builtinSchemas, metaSchema } from './builtin.js';
import { prune } from './crd/prune.js';
import { type Dict, isDict, type Obj } from './object.js';
import { canonicalQuantity } from './quantity-form.js';
import { groupVersionOf, type ResourceType } from './resource-type.js';
import { isIntOrString, isOpen, memberPath, type Schema, type SchemaReader } from './schema.js';
import { badRequest } from './status.js';

export interface Decoded {
  readonly object: Obj;
  /** Paths of members that were dropped, in the order they came. */
  readonly unknown: readonly string[];
}

/**
 * Decodes a body for a kind. Throws 400 when it is no object of that kind. An applied configuration is kept `asWritten`:
 * empty lists and the spelling of quantities count in what it owns.
 */
export function decode(type: ResourceType, body: unknown, asWritten = false): Decoded {
  if (!isDict(body)) throw badRequest(`the request body must be a JSON object of kind ${type.kind}`);
  assertKind(type, body);
  const unknown: string[] = [];
  const object = { ...body, apiVersion: groupVersionOf(type), kind: type.kind } as Dict;
  const walk = new BuiltinWalk(builtinSchemas, unknown, type, asWritten);
  const metadata = walk.value(metaSchema, object['metadata'] ?? {}, 'metadata');
  if (type.custom) {
    const pruned = prune(type.schema, { ...object, metadata }, unknown) as unknown as Obj;
    return { object: pruned, unknown };
  }
  const rest = walk.value(type.schema, { ...object, metadata }, '') as Obj;
  return { object: { ...rest, metadata: (metadata ?? {}) as Obj['metadata'] }, unknown };
}

function assertKind(type: ResourceType, body: Dict): void {
  const wanted = groupVersionOf(type);
  const apiVersion = body['apiVersion'] ?? wanted;
  const kind = body['kind'] ?? type.kind;
  if (kind !== type.kind || (apiVersion !== wanted && String(apiVersion).split('/')[0] !== wanted.split('/')[0])) {
    throw badRequest(
      `${String(kind)} in version ${JSON.stringify(String(apiVersion).split('/').at(-1))} cannot be handled as a ${type.kind}: no kind ${JSON.stringify(kind)} is registered for this path`,
    );
  }
  if (apiVersion !== wanted) {
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${wanted})`,
    );
  }
}

/** Reads JSON by a built-in kind's OpenAPI schema, as Go reads it into the kind's struct. */
class BuiltinWalk {
  readonly #reader: SchemaReader;
  readonly #unknown: string[];
  readonly #type: ResourceType;
  readonly #asWritten: boolean;

  constructor(reader: SchemaReader, unknown: string[], type: ResourceType, asWritten: boolean) {
    this.#reader = reader;
    this.#unknown = unknown;
    this.#type = type;
    this.#asWritten = asWritten;
  }

  value(reference: Schema, value: unknown, path: string): unknown {
    const schema = this.#reader.resolve(reference);
    if (value === null || value === undefined) return undefined;
    if (schema.oneOf !== undefined || isIntOrString(schema)) return this.#union(schema, value, path);
    if (schema.type === 'object') return this.#object(schema, value, path);
    if (schema.type === 'array') return this.#array(schema, value, path);
    return fits(schema, value) ? value : this.#mismatch(schema, value, path);
  }

  #object(schema: Schema, value: unknown, path: string): unknown {
    if (!isDict(value)) return this.#mismatch(schema, value, path);
    if (isOpen(schema)) return value;
    const result: Dict = {};
    for (const [name, item] of Object.entries(value)) {
      const member = this.#reader.member(schema, name);
      const at = memberPath(path, name);
      if (member === undefined) this.#unknown.push(at);
      // Metadata is walked once, before the object that holds it.
      else if (at === 'metadata') result[name] = item;
      else {
        const read = this.value(member, item, at);
        if (this.#asWritten || !isDroppedWhenEmpty(read, member, schema.required?.includes(name) === true))
          result[name] = read;
      }
    }
    return result;
  }

  #array(schema: Schema, value: unknown, path: string): unknown {
    if (!Array.isArray(value)) return this.#mismatch(schema, value, path);
    const items = schema.items ?? {};
    return value.map((item, index) => this.value(items, item, `${path}[${index}]`) ?? null);
  }

  #union(schema: Schema, value: unknown, path: string): unknown {
    if (isIntOrString(schema)) {
      return ['string', 'number'].includes(typeof value) ? value : this.#mismatch(schema, value, path);
    }
    if (schema.oneOf?.[1]?.type !== 'number') return value;
    const text = typeof value === 'string' || typeof value === 'number' ? canonicalQuantity(value) : undefined;
    if (text === undefined) {
      throw this.#refuse(
        `quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' (${path})`,
      );
    }
    return this.#asWritten ? value : text;
  }

  #mismatch(schema: Schema, value: unknown, path: string): never {
    const field = path.replace(/\[\d+\]/g, '');
    throw this.#refuse(
      `json: cannot unmarshal ${jsonTypeOf(value)} into Go struct field ${this.#type.kind}.${field} of type ${goTypeOf(schema)}`,
    );
  }

  #refuse(why: string): Error {
    const { kind, version } = this.#type;
    return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`);
  }
}

/** Go leaves out empty lists and maps of optional fields; structs stay. */
function isDroppedWhenEmpty(value: unknown, schema: Schema, isRequired: boolean): boolean {
  if (value === undefined) return true;
  if (isRequired) return false;
  if (Array.isArray(value)) return value.length === 0;
  const isMap = schema.properties === undefined && schema.additionalProperties !== undefined;
  return isMap && isDict(value) && Object.keys(value).length === 0;
}

/** Whether a scalar is what its schema says; one without a type takes anything. */
function fits({ type }: Schema, value: unknown): boolean {
  if (type === 'integer') return Number.isInteger(value);
  return type === undefined || typeof value === type;
}

function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}

function goTypeOf(schema: Schema): string {
  if (schema.type === 'boolean') return 'bool';
  return schema.format ?? (schema.type === 'integer' ? 'int' : (schema.type ?? 'object'));
}

/**
 * Reads what kubectl's typed commands send: `application/vnd.kubernetes.protobuf`, an envelope with kind and raw message.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
 */
import descriptors from './generated/protobuf.json' with { type: 'json' };
import { isDict } from './object.js';
import { badRequest } from './status.js';

export const protobufType = 'application/vnd.kubernetes.protobuf';

type Field = readonly [name: string, type: string, often: string];
const messages = descriptors as unknown as Readonly<Record<string, Readonly<Record<string, Field>>>>;
const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';

/** The object as it would be in JSON. Throws 400 when the bytes are no such message, 415 is the caller's for unknown kinds. */
export function decodeProtobuf(bytes: Buffer): Record<string, unknown> {
  if (!bytes.subarray(0, 4).equals(magic)) throw badRequest('the body does not start with the protobuf magic number');
  const envelope = fieldsIn(new Reader(bytes.subarray(4)));
  const type = fieldsIn(new Reader(bytesOf(envelope.get(1))));
  const apiVersion = bytesOf(type.get(1)).toString();
  const kind = bytesOf(type.get(2)).toString();
  const name = messageName(apiVersion, kind);
  if (name === undefined) throw badRequest(`protobuf of ${apiVersion} ${kind} is not supported here; send JSON`);
  return { apiVersion, kind, ...(read(name, new Reader(bytesOf(envelope.get(2)))) as object) };
}

function messageName(apiVersion: string, kind: string): string | undefined {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
  const own = `k8s.io.api.${group?.split('.')[0]}.${version}.${kind}`;
  return [own, `${meta}.${kind}`].find((name) => messages[name]);
}

type Wire = Buffer | bigint;
const bytesOf = (values: readonly Wire[] | undefined): Buffer => {
  const last = values?.at(-1);
  return Buffer.isBuffer(last) ? last : Buffer.alloc(0);
};

function fieldsIn(reader: Reader): Map<number, Wire[]> {
  const fields = new Map<number, Wire[]>();
  while (!reader.atEnd) {
    const { field, value } = reader.next();
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

/** Messages that JSON writes as one value. */
const special: Readonly<Record<string, (fields: Map<number, Wire[]>) => unknown>> = {
  [`${meta}.Time`]: instant,
  [`${meta}.MicroTime`]: instant,
  [`${meta}.FieldsV1`]: (fields) => JSON.parse(bytesOf(fields.get(1)).toString() || '{}') as unknown,
  'k8s.io.apimachinery.pkg.api.resource.Quantity': (fields) => bytesOf(fields.get(1)).toString(),
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': (fields) =>
    fields.get(1)?.at(-1) === 1n ? bytesOf(fields.get(3)).toString() : Number(fields.get(2)?.at(-1) ?? 0n),
};

function instant(fields: Map<number, Wire[]>): string | null {
  const seconds = Number(fields.get(1)?.at(-1) ?? 0n);
  return seconds <= 0 ? null : new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** Structs that Go embeds: protobuf gives them a name, JSON writes their members in place. */
const embedded = new Set([
  'volumeSource',
  'handler',
  'probeHandler',
  'localObjectReference',
  'ephemeralContainerCommon',
]);

function read(name: string, reader: Reader): unknown {
  const fields = fieldsIn(reader);
  const one = special[name];
  if (one) return one(fields);
  const object: Record<string, unknown> = {};
  for (const [number, values] of fields) {
    const field = messages[name]?.[number];
    if (!field) continue;
    const value = member(field, values);
    if (embedded.has(field[0]) && isDict(value)) Object.assign(object, value);
    else object[field[0]] = value;
  }
  return dropEmpty(object);
}

function member([, type, often]: Field, values: readonly Wire[]): unknown {
  switch (often) {
    case 'many':
      return values.map((value) => scalar(type, value));
    case 'map':
      return Object.fromEntries(values.map((value) => entry(type, value)));
    default:
      return scalar(type, values.at(-1) ?? 0n);
  }
}

function entry(type: string, value: Wire): [string, unknown] {
  const fields = fieldsIn(new Reader(Buffer.isBuffer(value) ? value : Buffer.alloc(0)));
  return [bytesOf(fields.get(1)).toString(), scalar(type, fields.get(2)?.at(-1) ?? Buffer.alloc(0))];
}

function scalar(type: string, value: Wire): unknown {
  if (Buffer.isBuffer(value)) {
    if (type === 'string') return value.toString();
    return type === 'bytes' ? value.toString('base64') : read(type, new Reader(value));
  }
  return type === 'bool' ? value !== 0n : Number(BigInt.asIntN(64, value));
}

/** Structs that Go holds by value: it writes them empty, and in JSON they are absent. Others, such as emptyDir, mean something. */
const byValue = new Set(['spec', 'status', 'resources', 'metadata']);

function dropEmpty(object: Record<string, unknown>): Record<string, unknown> {
  const isEmpty = ([name, value]: [string, unknown]) =>
    value === '' || value === null || (byValue.has(name) && Object.keys(value as object).length === 0);
  return Object.fromEntries(Object.entries(object).filter((member) => !isEmpty(member)));
}

/** The protobuf wire format: keys, varints, fixed and length-delimited values. https://protobuf.dev/programming-guides/encoding */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  next(): { field: number; value: Wire } {
    const key = this.#varint();
    const field = Number(key >> 3n);
    switch (Number(key & 7n)) {
      case 0:
        return { field, value: this.#varint() };
      case 1:
        return { field, value: this.#take(8).readBigUInt64LE() };
      case 2:
        return { field, value: this.#take(Number(this.#varint())) };
      case 5:
        return { field, value: BigInt(this.#take(4).readUInt32LE()) };
      default:
        throw badRequest('the protobuf body has an unknown wire type');
    }
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const [byte = 0] = this.#take(1);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw badRequest('the protobuf body has a number of more than 64 bits');
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw badRequest('the protobuf body ends in the middle of a field');
    const part = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return part;
  }
}

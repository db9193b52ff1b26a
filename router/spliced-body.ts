import type { Json } from '../src/base/json.js';
import { type Member, type Scan, scanObject } from './body-scan.js';

/** JSON text that is written as it stands: numbers keep every digit. */
export class RawJson {
  readonly bytes: Buffer;

  constructor(bytes: Buffer | string) {
    this.bytes = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  }
}

/** Leaves the member out. */
export const drop = Symbol('drop');
/** Sets the member only where the client gave it. */
export class IfPresent {
  readonly value: RawJson;

  constructor(value: Json) {
    this.value = new RawJson(JSON.stringify(value));
  }
}

export type Edit = Json | RawJson | IfPresent | typeof drop;
export type Edits = Readonly<Record<string, Edit>>;

/** A stretch of the original that gives way to other bytes. */
interface Cut {
  readonly from: number;
  readonly to: number;
  readonly insert: Buffer | undefined;
}

const noEdits: Edits = Object.freeze({});
const comma = Buffer.from(',');
/** `"key":` of members that were added, as bytes; routers add few different ones. */
const labels = new Map<string, Buffer>();

function labelOf(key: string): Buffer {
  let label = labels.get(key);
  if (!label) {
    label = Buffer.from(`${JSON.stringify(key)}:`);
    if (labels.size < 100) labels.set(key, label);
  }
  return label;
}

/**
 * A JSON object as its sender wrote it, with some top-level members to be set or left out. What is not named is not
 * touched: not re-ordered, not re-encoded, not even looked at twice.
 */
export class SplicedBody {
  readonly #scan: Scan;
  readonly #edits: Edits;

  private constructor(scan: Scan, edits: Edits) {
    this.#scan = scan;
    this.#edits = edits;
  }

  /** @throws JsonError when the bytes are no JSON object */
  static scan(bytes: Buffer, wants: (key: string) => boolean): SplicedBody {
    return new SplicedBody(scanObject(bytes, wants), noEdits);
  }

  /** The same body with more edits; a later edit of a member replaces an earlier one. */
  with(edits: Edits): SplicedBody {
    return new SplicedBody(this.#scan, { ...this.#edits, ...edits });
  }

  /** Names of the scanned members that the sender gave. */
  keys(): readonly string[] {
    return this.#scan.members.map(({ key }) => key);
  }

  /** The original text of a member; of several with one name the last counts, as for every JSON parser the engines use. */
  text(key: string): Buffer | undefined {
    const member = this.#scan.members.findLast((member) => member.key === key);
    return member && this.#scan.bytes.subarray(member.valueStart, member.end);
  }

  /** The original value of a small member; undefined when absent. Numbers beyond 2^53 lose digits here, and only here. */
  value(key: string): unknown {
    const text = this.text(key);
    return text && (JSON.parse(text.toString()) as unknown);
  }

  /** Bytes of the original. */
  get size(): number {
    return this.#scan.bytes.length;
  }

  /** The edited body: slices of the original and what was set, in order. */
  parts(): readonly Buffer[] {
    const { bytes } = this.#scan;
    const parts: Buffer[] = [];
    let at = 0;
    for (const { from, to, insert } of this.#cuts()) {
      if (from > at) parts.push(bytes.subarray(at, from));
      if (insert) parts.push(insert);
      at = Math.max(at, to);
    }
    if (at < bytes.length) parts.push(bytes.subarray(at));
    return parts;
  }

  #cuts(): readonly Cut[] {
    const { members, count, close } = this.#scan;
    const cuts: Cut[] = [];
    const added: Buffer[] = [];
    const dropped: Member[] = [];
    for (const key of Object.keys(this.#edits)) {
      const edit = this.#edits[key];
      const own = members.filter((member) => member.key === key);
      const last = own.at(-1);
      const bytes = encode(edit);
      if (bytes === undefined) dropped.push(...own);
      else if (last) {
        cuts.push({ from: last.valueStart, to: last.end, insert: bytes });
        dropped.push(...own.slice(0, -1));
      } else if (!(edit instanceof IfPresent)) added.push(labelOf(key), bytes, comma);
    }
    added.pop();
    if (added.length > 0 && count > dropped.length) added.unshift(comma);
    cuts.push(...removals(dropped));
    cuts.sort((a, b) => a.from - b.from);
    if (added.length > 0)
      cuts.push({ from: close, to: close, insert: added.length === 1 ? added[0] : Buffer.concat(added) });
    return cuts;
  }
}

/** Undefined means that the member is left out. */
function encode(edit: Edit | undefined): Buffer | undefined {
  if (edit === drop || edit === undefined) return undefined;
  if (edit instanceof RawJson) return edit.bytes;
  if (edit instanceof IfPresent) return edit.value.bytes;
  return Buffer.from(JSON.stringify(edit));
}

/**
 * A member goes with the comma before it. Only members at the front go with the comma after them, and so does each that
 * follows directly on such a one, because its comma before is gone.
 */
function removals(dropped: readonly Member[]): readonly Cut[] {
  let frontComma = -1;
  return [...dropped]
    .sort((a, b) => a.start - b.start)
    .map(({ start, end, commaBefore, commaAfter }) => {
      const atFront = commaBefore === frontComma;
      if (!atFront) return { from: commaBefore, to: end, insert: undefined };
      frontComma = commaAfter;
      return { from: start, to: commaAfter < 0 ? end : commaAfter + 1, insert: undefined };
    });
}

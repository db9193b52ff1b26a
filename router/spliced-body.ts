import type { Json } from '../src/base/json.js';
import { type Member, type Scan, scanObject } from './body-scan.js';

/** JSON text that is written as it stands: numbers keep every digit. */
export class RawJson {
  /** Its UTF-8 bytes, one character each. */
  readonly latin1: string;

  constructor(json: Buffer | string) {
    this.latin1 = (typeof json === 'string' ? Buffer.from(json) : json).toString('latin1');
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
/** By member name; names are the router's own, plain ASCII words. */
export type Edits = Readonly<Record<string, Edit>>;

/** A stretch of the original that gives way to other bytes. */
interface Cut {
  readonly from: number;
  readonly to: number;
  /** Bytes, one character each; empty to leave the stretch out. */
  readonly insert: string;
}

/**
 * A JSON object as its sender wrote it, with some top-level members to be set or left out. What is not named is not
 * touched: not re-ordered, not re-encoded, not even looked at twice.
 */
export class SplicedBody {
  readonly #scan: Scan;
  /** Later ones win. */
  readonly #layers: readonly Edits[];

  private constructor(scan: Scan, layers: readonly Edits[]) {
    this.#scan = scan;
    this.#layers = layers;
  }

  /** @throws JsonError when the bytes are no JSON object */
  static scan(bytes: Buffer, wants: (key: string) => boolean): SplicedBody {
    return new SplicedBody(scanObject(bytes, wants), []);
  }

  /** The same body with more edits; a later edit of a member replaces an earlier one. */
  with(edits: Edits): SplicedBody {
    return new SplicedBody(this.#scan, [...this.#layers, edits]);
  }

  /** Names of the scanned members that the sender gave. */
  keys(): readonly string[] {
    return this.#scan.members.map(({ key }) => key);
  }

  /** The original text of a member; of several with one name the last counts, as for every JSON parser the engines use. */
  text(key: string): Buffer | undefined {
    const member = this.#last(key);
    return member && this.#scan.bytes.subarray(member.valueStart, member.end);
  }

  /** The first 64 bytes of the original text of a member, as latin1: enough for words and numbers. */
  brief(key: string): string | undefined {
    const member = this.#last(key);
    return (
      member && this.#scan.bytes.toString('latin1', member.valueStart, Math.min(member.end, member.valueStart + 64))
    );
  }

  /** The original value of a small member; undefined when absent. Numbers beyond 2^53 lose digits here, and only here. */
  value(key: string): unknown {
    const member = this.#last(key);
    return member && (JSON.parse(this.#scan.bytes.toString('utf8', member.valueStart, member.end)) as unknown);
  }

  #last(key: string): Member | undefined {
    const { members } = this.#scan;
    for (let i = members.length - 1; i >= 0; i -= 1) if (members[i]?.key === key) return members[i];
    return undefined;
  }

  /** Bytes of the original. */
  get size(): number {
    return this.#scan.bytes.length;
  }

  /** The edited body, its bytes one character each: what a small one is written as, in one piece with its head. */
  latin1(): string {
    const { bytes } = this.#scan;
    let text = '';
    let at = 0;
    for (const { from, to, insert } of this.#cuts()) {
      if (from > at) text += bytes.toString('latin1', at, from);
      text += insert;
      if (to > at) at = to;
    }
    return at < bytes.length ? text + bytes.toString('latin1', at, bytes.length) : text;
  }

  /** The edited body in slices of the original and what comes between them: nothing large is copied. */
  parts(): readonly Buffer[] {
    const { bytes } = this.#scan;
    const parts: Buffer[] = [];
    let at = 0;
    for (const { from, to, insert } of this.#cuts()) {
      if (from > at) parts.push(bytes.subarray(at, from));
      if (insert !== '') parts.push(Buffer.from(insert, 'latin1'));
      if (to > at) at = to;
    }
    if (at < bytes.length) parts.push(bytes.subarray(at));
    return parts;
  }

  #cuts(): readonly Cut[] {
    const { members, count, close } = this.#scan;
    const { cuts, added, dropped } = placed(this.#layers, members);
    if (dropped.length > 0) cuts.push(...removals(dropped));
    sortByStart(cuts);
    if (added.length > 0) {
      const insert = added.join(',');
      cuts.push({ from: close, to: close, insert: count > dropped.length ? `,${insert}` : insert });
    }
    return cuts;
  }
}

/** What becomes of each edit: a value replaced, a member added at the end, or one that goes, with all its earlier twins. */
function placed(layers: readonly Edits[], members: readonly Member[]): Placed {
  const found: Placed = { cuts: [], added: [], dropped: [] };
  for (let i = 0; i < layers.length; i += 1) place(layers, i, members, found);
  return found;
}

interface Placed {
  readonly cuts: Cut[];
  /** `"key":value` of each. */
  readonly added: string[];
  readonly dropped: Member[];
}

function place(layers: readonly Edits[], layer: number, members: readonly Member[], found: Placed): void {
  const { cuts, added, dropped } = found;
  for (const key in layers[layer] ?? {}) {
    if (isIn(layers, key, 0, layer)) continue; // its place is the earlier one's, as in an object
    const edit = lastEdit(layers, key);
    const insert = encode(edit);
    const last = lastOf(members, key, dropped);
    if (last && insert !== undefined) cuts.push({ from: last.valueStart, to: last.end, insert });
    else if (last) dropped.push(last);
    else if (insert !== undefined && !(edit instanceof IfPresent)) added.push(`"${key}":${insert}`);
  }
}

function isIn(layers: readonly Edits[], key: string, from: number, to: number): boolean {
  for (let i = from; i < to; i += 1) if (Object.hasOwn(layers[i] ?? {}, key)) return true;
  return false;
}

function lastEdit(layers: readonly Edits[], key: string): Edit | undefined {
  let last = layers.length - 1;
  while (last > 0 && !isIn(layers, key, last, last + 1)) last -= 1;
  return layers[last]?.[key];
}

/** By insertion: there are few, and a general sort copies them twice. */
function sortByStart(cuts: Cut[]): void {
  for (let i = 1; i < cuts.length; i += 1) {
    const cut = cuts[i] as Cut;
    let at = i;
    for (; at > 0 && (cuts[at - 1] as Cut).from > cut.from; at -= 1) cuts[at] = cuts[at - 1] as Cut;
    cuts[at] = cut;
  }
}

function lastOf(members: readonly Member[], key: string, earlier: Member[]): Member | undefined {
  let last: Member | undefined;
  for (const member of members) {
    if (member.key !== key) continue;
    if (last) earlier.push(last);
    last = member;
  }
  return last;
}

/** Undefined means that the member is left out. */
function encode(edit: Edit | undefined): string | undefined {
  if (edit === drop || edit === undefined) return undefined;
  if (edit instanceof RawJson) return edit.latin1;
  if (edit instanceof IfPresent) return edit.value.latin1;
  return Buffer.from(JSON.stringify(edit)).toString('latin1');
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
      if (!atFront) return { from: commaBefore, to: end, insert: '' };
      frontComma = commaAfter;
      return { from: start, to: commaAfter < 0 ? end : commaAfter + 1, insert: '' };
    });
}

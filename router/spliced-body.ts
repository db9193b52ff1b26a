import type { Json } from '../src/base/json.js';
import { type Member, type Scan, scanObject } from './body-scan.js';
import type { Joined } from './http/joined.js';
import { Splice, type SpliceTarget } from './splice.js';
import { WantedKeys } from './wanted-keys.js';

/** JSON text that is written as it stands: numbers keep every digit. */
export class RawJson {
  /** Its UTF-8 bytes, one character each. */
  readonly latin1: string;

  constructor(json: Buffer | string) {
    this.latin1 = (typeof json === 'string' ? Buffer.from(json) : json).toString('latin1');
  }
}

/** What becomes of one top-level member. Names are the router's own, plain ASCII words. */
export interface Edit {
  readonly key: string;
  /** The new value, its bytes one character each; undefined to leave the member out. */
  readonly value: string | undefined;
  /** Not added where the sender did not give it. */
  readonly onlyIfPresent: boolean;
}

/** Later ones of the same name win. */
export type Edits = readonly Edit[];

const latin1Of = (value: Json | RawJson): string =>
  (value instanceof RawJson ? value : new RawJson(JSON.stringify(value))).latin1;

/** Sets a member, in its place where the sender gave it, else at the end. */
export const set = (key: string, value: Json | RawJson): Edit => ({
  key,
  value: latin1Of(value),
  onlyIfPresent: false,
});
/** Sets a member only where the sender gave it. */
export const setIfPresent = (key: string, value: Json | RawJson): Edit => ({
  key,
  value: latin1Of(value),
  onlyIfPresent: true,
});
export const leaveOut = (key: string): Edit => ({ key, value: undefined, onlyIfPresent: true });

const nothing: readonly string[] = [];

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

  /** In place of a body that nobody needs any more. */
  static readonly empty: SplicedBody = SplicedBody.scan(Buffer.from('{}'), new WantedKeys([]));

  /** @throws JsonError when the bytes are no JSON object */
  static scan(bytes: Buffer, wanted: WantedKeys): SplicedBody {
    return new SplicedBody(scanObject(bytes, wanted), []);
  }

  /** The same body with more edits; a later edit of a member replaces an earlier one. */
  with(edits: Edits): SplicedBody {
    return new SplicedBody(this.#scan, this.#edits.length === 0 ? edits : [...this.#edits, ...edits]);
  }

  /** Names of the scanned members that the sender gave, as far as they are such. */
  keysWhere(holds: (key: string) => boolean): readonly string[] {
    let found: string[] | undefined;
    for (const { key } of this.#scan.members) if (holds(key)) found = [...(found ?? []), key];
    return found ?? nothing;
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
    if (!member) return undefined;
    const text = this.#scan.bytes.toString('utf8', member.valueStart, member.end);
    const isPlain = text.startsWith('"') && !text.includes('\\');
    return isPlain ? text.slice(1, -1) : (JSON.parse(text) as unknown);
  }

  /** Bytes that the edited body has at most. */
  get most(): number {
    let most = this.#scan.bytes.length;
    for (const { key, value } of this.#edits) most += value === undefined ? 0 : key.length + value.length + 4;
    return most;
  }

  /** Puts the edited body together. */
  joinIn(joined: Joined): void {
    this.#write(joined.begin(this.#scan.bytes));
  }

  /** The edited body in slices of the original and what comes between them: nothing large is copied. */
  parts(): readonly Buffer[] {
    const { bytes } = this.#scan;
    const parts: Buffer[] = [];
    this.#write({
      copy: (from, to) => parts.push(bytes.subarray(from, to)),
      insert: (latin1) => parts.push(Buffer.from(latin1, 'latin1')),
    });
    return parts;
  }

  /** The edited body as bytes of its own. */
  whole(): Buffer {
    return Buffer.concat(this.parts());
  }

  #write(target: SpliceTarget): void {
    const splice = new Splice(this.#scan, target);
    for (const member of this.#scan.members) {
      const edit = lastFor(this.#edits, member.key);
      if (!edit) continue;
      if (edit.value !== undefined && this.#last(member.key) === member) splice.replace(member, edit.value);
      else splice.remove(member);
    }
    splice.finish(this.#added());
  }

  /** Members that the sender did not give, as they are added before the closing brace. */
  #added(): string {
    let added = '';
    for (const edit of this.#edits) {
      const { key, value, onlyIfPresent } = edit;
      if (value === undefined || onlyIfPresent || this.#last(key) || lastFor(this.#edits, key) !== edit) continue;
      added += added === '' ? `"${key}":${value}` : `,"${key}":${value}`;
    }
    return added;
  }

  #last(key: string): Member | undefined {
    const { members } = this.#scan;
    for (let i = members.length - 1; i >= 0; i -= 1) if (members[i]?.key === key) return members[i];
    return undefined;
  }
}

function lastFor(edits: Edits, key: string): Edit | undefined {
  for (let i = edits.length - 1; i >= 0; i -= 1) if (edits[i]?.key === key) return edits[i];
  return undefined;
}

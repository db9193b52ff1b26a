import { isUtf8 } from 'node:buffer';
import { JsonCursor, JsonError } from './json-cursor.js';
import type { WantedKeys } from './wanted-keys.js';

/** Where one top-level member lies in the bytes. */
export interface Member {
  readonly key: string;
  /** Offset of the key's opening quote. */
  readonly start: number;
  readonly valueStart: number;
  /** Offset after the value. */
  readonly end: number;
  /** Offset of the comma before the member; -1 for the first one. */
  readonly commaBefore: number;
  /** Offset of the comma after the member; -1 for the last one. */
  readonly commaAfter: number;
}

/** What one pass over the bytes of a JSON object found. Offsets count bytes. */
export interface Scan {
  readonly bytes: Buffer;
  /** Every occurrence of the wanted keys, in the order of the bytes. */
  readonly members: readonly Member[];
  /** Members of any name. */
  readonly count: number;
  /** Offset of the closing brace. */
  readonly close: number;
}

/** Wanted members, repeated ones counted each time. There are far fewer names: more than this is an attack, not a mistake. */
const mostMembers = 64;

/**
 * One pass over a JSON object: checks all of it, exactly as JSON.parse would, and remembers where the wanted top-level
 * members lie. Nothing is decoded that is not asked for.
 *
 * @throws JsonError with the byte position
 */
export function scanObject(bytes: Buffer, wanted: WantedKeys): Scan {
  const cursor = new JsonCursor(bytes);
  cursor.skipSpace();
  if (cursor.next() !== 0x7b) throw new JsonError(cursor.at, 'the body must be a JSON object, starting with {');
  cursor.at += 1;
  cursor.skipSpace();
  const found = cursor.next() === 0x7d ? { members: [], count: 0 } : scanMembers(cursor, wanted);
  const close = cursor.at;
  cursor.at += 1;
  cursor.skipSpace();
  if (cursor.at < bytes.length) throw new JsonError(cursor.at, 'nothing may follow the closing }');
  if (!isUtf8(bytes)) throw new JsonError(0, 'the body is not UTF-8');
  return { bytes, ...found, close };
}

function scanMembers(cursor: JsonCursor, wanted: WantedKeys): { members: Member[]; count: number } {
  const members: Member[] = [];
  let count = 0;
  let commaBefore = -1;
  for (;;) {
    const start = cursor.at;
    const key = cursor.key(wanted);
    const valueStart = cursor.at;
    cursor.skipValue();
    const end = cursor.at;
    cursor.skipSpace();
    const more = cursor.next() === 0x2c;
    count += 1;
    if (key !== undefined) {
      members.push({ key, start, valueStart, end, commaBefore, commaAfter: more ? cursor.at : -1 });
      if (members.length > mostMembers)
        throw new JsonError(start, `more than ${mostMembers} members say what the router reads; give each name once`);
    }
    if (!more) break;
    commaBefore = cursor.at;
    cursor.at += 1;
    cursor.skipSpace();
  }
  if (cursor.next() !== 0x7d) throw new JsonError(cursor.at, 'expected , or } after a member');
  return { members, count };
}

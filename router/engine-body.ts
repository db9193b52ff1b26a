import { scanObject } from './body-scan.js';
import { JsonCursor, JsonError } from './json-cursor.js';
import { WantedKeys } from './wanted-keys.js';

const backslash = 0x5c;
const closeBrace = 0x7d;

/** A JSON object that an engine answered with. */
export class EngineBody {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /**
   * The text of a top-level member, of several with one name the last.
   *
   * @throws JsonError when the answer is no JSON object
   */
  text(key: string): Buffer | undefined {
    return this.#asLast(key) ?? this.#anywhere(key);
  }

  /**
   * Engines put what they hand over at the end, where it is found without reading all that comes before. Between quotes and
   * a colon stands a key, unless the first quote is an escaped one; and a value with one brace between it and the end is at the top.
   */
  #asLast(key: string): Buffer | undefined {
    const bytes = this.#bytes;
    const label = `"${key}":`;
    const at = bytes.lastIndexOf(label, undefined, 'latin1');
    if (at < 1 || bytes[at - 1] === backslash) return undefined;
    const cursor = new JsonCursor(bytes);
    cursor.at = at + label.length;
    cursor.skipSpace();
    const from = cursor.at;
    const to = endOfValue(cursor);
    if (to === undefined) return undefined;
    cursor.skipSpace();
    if (cursor.next() !== closeBrace) return undefined;
    cursor.at += 1;
    cursor.skipSpace();
    return cursor.at === bytes.length ? bytes.subarray(from, to) : undefined;
  }

  #anywhere(key: string): Buffer | undefined {
    const { members } = scanObject(this.#bytes, new WantedKeys([key]));
    const member = members.at(-1);
    return member && this.#bytes.subarray(member.valueStart, member.end);
  }
}

function endOfValue(cursor: JsonCursor): number | undefined {
  try {
    cursor.skipValue();
    return cursor.at;
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

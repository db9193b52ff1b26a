import type { Finding } from '../src/core/checks/finding.js';

/** One operation of a JSON patch (RFC 6902). */
export type PatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** A JSON patch as text, since what is added often is known as text before the review comes. */
export class Patch {
  readonly operations: number;
  /** An array, e.g. `[{"op":"add",...}]`. */
  readonly json: string;
  #base64: string | undefined;

  constructor(operations: number, json: string) {
    this.operations = operations;
    this.json = json;
  }

  /** Of the UTF-8 bytes. */
  get base64(): string {
    this.#base64 ??= base64Of(this.json);
    return this.#base64;
  }
}

export const patchOf = (operations: readonly PatchOperation[]): Patch =>
  new Patch(operations.length, JSON.stringify(operations));

/** Both, one after the other. */
export function joined(first: Patch, second: Patch): Patch {
  if (first.operations === 0) return second;
  if (second.operations === 0) return first;
  return new Patch(first.operations + second.operations, `${first.json.slice(0, -1)},${second.json.slice(1)}`);
}

/** Where texts of usual length are turned into bytes, one at a time: a buffer for each costs more than turning. */
const bytes = Buffer.allocUnsafeSlow(64 * 1024);

function base64Of(text: string): string {
  // A UTF-16 unit is at most three bytes.
  if (text.length * 3 > bytes.length) return Buffer.from(text).toString('base64');
  return bytes.toString('base64', 0, bytes.write(text));
}

/** What a webhook decided; `answerReview` turns it into the answer, `observe.ts` into metrics and a log line. */
export interface Decision {
  readonly allowed: boolean;
  readonly patch?: Patch;
  /** Lines for the user's terminal. */
  readonly warnings?: readonly string[];
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
  readonly findings?: readonly Finding[];
  /** How many fields were added, by the name of the profile or step that asked for them. */
  readonly injected?: Readonly<Record<string, number>>;
  /** Why nothing was done, for the log, when that is worth a word. */
  readonly note?: string;
}

/** Nothing to say: the object passes as it is. */
export const pass = (note?: string): Decision => ({ allowed: true, ...(note !== undefined && { note }) });

/** A refusal that is not a rule's: the review itself could not be judged. */
export const refuse = (code: number, reason: string, message: string): Decision => ({
  allowed: false,
  status: { code, reason, message },
});

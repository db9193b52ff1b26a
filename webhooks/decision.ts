import type { Finding } from '../src/core/checks/finding.js';

/** One operation of a JSON patch (RFC 6902). */
export type PatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** A JSON patch as text, since what is added often is known as text before the review comes. */
export interface Patch {
  readonly operations: number;
  /** An array, e.g. `[{"op":"add",...}]`. */
  readonly json: string;
}

export const patchOf = (operations: readonly PatchOperation[]): Patch => ({
  operations: operations.length,
  json: JSON.stringify(operations),
});

/** Both, one after the other. */
export function joined(first: Patch, second: Patch): Patch {
  if (first.operations === 0) return second;
  if (second.operations === 0) return first;
  return {
    operations: first.operations + second.operations,
    json: `${first.json.slice(0, -1)},${second.json.slice(1)}`,
  };
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

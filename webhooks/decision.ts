import type { Finding } from '../src/core/checks/finding.js';

/** One operation of a JSON patch (RFC 6902). */
export type PatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** What a webhook decided; `answerReview` turns it into the answer, `observe.ts` into metrics and a log line. */
export interface Decision {
  readonly allowed: boolean;
  readonly patch?: readonly PatchOperation[];
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

import type { Finding, FoundAt, Severity } from './finding.js';

/** One rule says everything about itself; docs, `tandem check`, the webhook and the tests read this one object. */
export interface Rule<Subject> {
  /** Stable, never reused: `TND-` and three digits. */
  readonly code: string;
  readonly severity: Severity;
  readonly title: string;
  readonly because: string;
  /** Where the fact comes from, e.g. `pd-protocols C-21`, or a public issue. */
  readonly source: string;
  check(subject: Subject): Iterable<FoundAt>;
}

export const rule = <Subject>(row: Rule<Subject>): Rule<Subject> => row;

/** Runs one rule; the rule's own facts are added to each place it found. */
export function* apply<Subject>(row: Rule<Subject>, subject: Subject): Iterable<Finding> {
  for (const found of row.check(subject)) {
    yield {
      code: row.code,
      severity: found.severity ?? row.severity,
      title: row.title,
      because: row.because,
      source: row.source,
      ...found.finding,
    };
  }
}

export type Severity = 'error' | 'warning';

/** What a rule found at one place. `saw` is the value as written; `want` and `fix` are phrases for a person. */
export interface Place {
  /** Field path, e.g. `spec.template.roles[0].entryTemplate.spec.containers[1].args[13]`. */
  readonly path: string;
  readonly saw: unknown;
  readonly want: string;
  readonly fix: string;
}

export interface FoundAt {
  readonly finding: Place;
  /** Set when this place is judged otherwise than the rule in general, e.g. a shell script that was read by guess. */
  readonly severity?: Severity;
}

export interface Finding extends Place {
  readonly code: string;
  readonly severity: Severity;
  readonly title: string;
  readonly because: string;
  readonly source: string;
}

/** `yield finding(path, { saw, want, fix })` */
export function finding(path: string, rest: Omit<Place, 'path'>, severity?: Severity): FoundAt {
  return { finding: { path, ...rest }, ...(severity && { severity }) };
}

import type { Finding } from '../core/checks/finding.js';

/** One object of the files given to `tandem check`, with what there is to say about it. */
export interface ObjectFindings {
  readonly file: string;
  readonly kind: string;
  readonly name: string;
  readonly findings: readonly Finding[];
  /** Line of the file, from 1, that a field path is written on. */
  readonly lineOf?: (path: string) => number;
}

/** 1 when any finding is an error: warnings alone do not fail a pipeline. */
export const exitCodeOf = (checked: readonly ObjectFindings[]): number =>
  checked.some(({ findings }) => findings.some(({ severity }) => severity === 'error')) ? 1 : 0;

/** An array with one entry per finding, for machines; `path` is the field path in the object. */
export function findingsAsJson(checked: readonly ObjectFindings[]): string {
  const rows = checked.flatMap(({ file, kind, name, findings }) =>
    findings.map((finding) => ({ file, kind, name, ...finding, saw: finding.saw ?? null })),
  );
  return `${JSON.stringify(rows, undefined, 2)}\n`;
}

/**
 * One object per paragraph, one finding per pair of lines: what and where, then why and what to do. Equal findings in
 * several places share the second line.
 */
export function findingsAsText(checked: readonly ObjectFindings[]): string {
  if (checked.length === 0) return 'nothing to check: no ModelServing, ModelServer or ModelRoute in these files\n';
  const paragraphs = checked.map(({ kind, name, findings }) => {
    const title = `${kind} ${name}: ${findings.length === 0 ? 'nothing to say' : count(findings)}`;
    return [title, ...groups(findings).flatMap(lines)].join('\n');
  });
  return `${[...paragraphs, summary(checked)].join('\n')}\n`;
}

/** Findings of one rule that differ only in their place. */
function groups(findings: readonly Finding[]): readonly (readonly Finding[])[] {
  const bySense = new Map<string, Finding[]>();
  for (const finding of findings) {
    const { code, severity, want, fix } = finding;
    const key = JSON.stringify([code, severity, want, fix]);
    bySense.set(key, [...(bySense.get(key) ?? []), finding]);
  }
  return [...bySense.values()];
}

function lines(group: readonly Finding[]): readonly string[] {
  const [first] = group;
  if (!first) return [];
  const width = Math.max(...group.map(({ path }) => path.length));
  const places = group.map(({ path, saw }, i) => {
    const head = i === 0 ? `${first.severity.padEnd(7)} ${first.code}` : ''.padEnd(15);
    return `  ${head}  ${path.padEnd(width)}  saw ${shown(saw)}`;
  });
  const indent = ''.padEnd(19);
  return [...places, `${indent}want ${first.want}; ${first.fix}`, `${indent}because ${first.because}`];
}

function summary(checked: readonly ObjectFindings[]): string {
  const all = checked.flatMap(({ findings }) => findings);
  const objects = checked.length === 1 ? '1 object' : `${checked.length} objects`;
  const skip = 'skip a rule with the annotation tandem.dev/skip-checks: CODE';
  return all.length === 0 ? `${objects}, no findings` : `${objects}, ${count(all)}; ${skip}`;
}

function count(findings: readonly Finding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const of = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`;
  return `${of(errors, 'error')}, ${of(findings.length - errors, 'warning')}`;
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

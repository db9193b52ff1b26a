import type { Finding } from '../src/core/checks/finding.js';
import type { Decision } from './decision.js';

/** The API server cuts a warning at 256 characters once all of them together exceed 4096; it drops what is over that. */
const longestWarning = 256;
const allWarnings = 4096;
const longestValue = 60;

/** One line for a terminal: `TND-026 spec.…: saw 20001, want 28000 or higher; set kv_port to 28000`. */
export function warningOf(finding: Finding): string {
  const line = `${finding.code} ${finding.path}: saw ${shown(finding.saw)}, want ${finding.want}; ${finding.fix}`;
  return cut(oneLine(line), longestWarning);
}

/** Warnings that fit into what the API server passes on; what does not fit is counted in the last one. */
export function warningsOf(lines: readonly string[]): readonly string[] {
  const unique = [...new Set(lines)];
  const kept: string[] = [];
  let room = allWarnings - longestWarning;
  for (const line of unique) {
    room -= line.length;
    if (room < 0) break;
    kept.push(line);
  }
  const left = unique.length - kept.length;
  return left === 0 ? kept : [...kept, `and ${left} more; \`tandem check -f FILE\` prints all of them`];
}

/** Refuses with every error, its reason and its fix; passes with warnings when no finding is an error. */
export function judge(findings: readonly Finding[], more: readonly string[] = []): Decision {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const warnings = findings.filter(({ severity }) => severity === 'warning');
  const lines = warningsOf([...warnings.map(warningOf), ...more]);
  if (errors.length === 0) return { allowed: true, warnings: lines, findings };
  return {
    allowed: false,
    warnings: lines,
    findings,
    status: { code: 422, reason: 'Invalid', message: denialOf(errors) },
  };
}

/**
 * The same for a change of what is stored: an error that the stored object already has is a warning, so that an old fault
 * does not keep anybody from changing something else.
 */
export function judgeChange(findings: readonly Finding[], before: () => readonly Finding[]): Decision {
  if (!findings.some(({ severity }) => severity === 'error')) return judge(findings);
  const known = new Set(before().map(identity));
  return judge(
    findings.map((finding) => (known.has(identity(finding)) ? { ...finding, severity: 'warning' } : finding)),
  );
}

/** Two findings are the same when one rule saw one value at one place. */
const identity = ({ code, path, saw }: Finding): string => JSON.stringify([code, path, saw ?? null]);

function denialOf(errors: readonly Finding[]): string {
  const lines = errors.map(
    ({ code, path, saw, want, because, fix }) =>
      `  ${code} ${path}: saw ${shown(saw)}, want ${want}, because ${because}; ${fix}`,
  );
  const count = errors.length === 1 ? '1 error' : `${errors.length} errors`;
  return cut([`tandem refused it for ${count}:`, ...lines.map(oneLine)].join('\n'), 16_384);
}

/** A value as a person reads it in a sentence: short, on one line, never a whole object. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (value === '') return '""';
  return cut(oneLine(typeof value === 'string' ? value : JSON.stringify(value)), longestValue);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
const cut = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);

/** Where a rule begins and ends: a table of what is given, and of all that the rule then says. */
import t from 'tap';
import { checkServing } from '../../../src/core/checks/check.js';
import type { CheckContext } from '../../../src/core/checks/context.js';
import type { Finding } from '../../../src/core/checks/finding.js';
import type { Profiles } from '../../../src/core/profiles/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { loadProfiles } from '../../../src/settings/profiles.js';
import { type Base, draft, type Edit } from './example.js';

export const profiles: Profiles = await loadProfiles();
export const surroundings: CheckContext = {
  objects: 'complete',
  fallbackScheduler: 'default-scheduler',
  hasVolcano: true,
};

/** What is said of one place: the members that are given must match. */
export type Said = Partial<Record<'path' | 'saw' | 'want' | 'fix' | 'severity', unknown>>;
export type Row = readonly [given: string, edits: readonly Edit[], ...says: Said[]];

/** Paths of the examples, as findings name them. */
export const role = { prefill: 'spec.template.roles[0]', decode: 'spec.template.roles[1]' } as const;
export const pod = {
  prefill: `${role.prefill}.entryTemplate.spec`,
  decode: `${role.decode}.entryTemplate.spec`,
} as const;
export const engine = { prefill: `${pod.prefill}.containers[0]`, decode: `${pod.decode}.containers[0]` } as const;

export const findings = (code: string, base: Base, edits: readonly Edit[], more: Partial<CheckContext> = {}) =>
  checkServing(readServing(draft(base, ...edits), profiles), { ...surroundings, ...more }).filter(
    (finding) => finding.code === code,
  );

export function boundaries(code: string, base: Base, rows: readonly Row[], more: Partial<CheckContext> = {}): void {
  t.test(`${code} on ${base}`, async (t) => {
    for (const [given, edits, ...says] of rows) tells(t, given, findings(code, base, edits, more), says);
  });
}

/** Exactly these findings, in order of their paths. */
export function tells(
  t: Pick<typeof import('tap').t, 'equal' | 'match'>,
  given: string,
  found: readonly Finding[],
  says: readonly Said[],
): void {
  t.equal(found.length, says.length, `${given}: ${JSON.stringify(found.map(({ path, saw }) => [path, saw]))}`);
  for (const [index, said] of says.entries()) t.match(found[index], said, given);
}

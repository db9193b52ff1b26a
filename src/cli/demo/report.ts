import type { ModelServing } from '../../api/types.js';
import { expandServing } from '../../core/expand/serving.js';
import { type AdditionTable, additionTable } from '../../core/expand/table.js';
import { defaultExpandSettings } from '../../core/expand/types.js';
import type { Profiles } from '../../core/profiles/types.js';
import { alignRows, paint } from '../table.js';

/** What admission adds to a serving as the user wrote it: the same pure function that the webhook calls. */
export function additionsTo(serving: ModelServing, profiles: Profiles): AdditionTable {
  return additionTable(expandServing(serving, profiles, defaultExpandSettings).reasons);
}

/** `deepseek-v2-lite   applied; 23 fields added by ascend-1980, vllm-ascend, mooncake-v1; 4 warnings` */
export function headline(name: string, table: AdditionTable, warnings: number): string {
  const by = table.counts.map((count) => count.by).join(', ');
  const added = table.total === 0 ? 'nothing to add' : `${table.total} fields added by ${by}`;
  return `${paint('bold', name.padEnd(18))} applied; ${added}; ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`;
}

/** One line per addition: role, profile, field = value, and why. */
export function additionLines({ rows }: AdditionTable): string[] {
  const cells = rows.map(({ roles, by, field, value, because }) => [
    '  +',
    by,
    roles || 'serving',
    `${field} = ${value}`,
    because,
  ]);
  return alignRows(cells).map((line) => paint('dim', line));
}

export const findingLines = (warnings: readonly string[]): string[] =>
  warnings.map((text) => `  ${paint('yellow', text)}`);

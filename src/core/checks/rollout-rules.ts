import type { Role } from '../../api/types.js';
import { finding } from './finding.js';
import { type ServingSubject, servingRule } from './subject.js';

/** Numbers and percentages of a rollout, as Kthena refuses them; `maxSurge` is ours and makes `maxUnavailable: 0` useful. */

/** Whole number, or percentage of `total` rounded down; undefined when it is neither. */
export function resolved(value: unknown, total: number): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 ? value : undefined;
  const match = typeof value === 'string' ? /^(\d{1,3})%$/.exec(value) : null;
  const percent = Number(match?.[1]);
  return match && percent <= 100 ? Math.floor((percent * total) / 100) : undefined;
}

const want = 'a whole number, or a percentage from 0% to 100%';

export const rolloutIsPossible = servingRule({
  code: 'TND-105',
  severity: 'error',
  title: 'A rollout of groups can make a step',
  because: 'with nothing allowed to be unavailable and nothing to spare, no group is ever replaced',
  source: 'kthena-workload 4.2.5',
  *check({ serving }) {
    const { rolloutStrategy: strategy, replicas = 1 } = serving.spec;
    const given = strategy?.rollingUpdateConfiguration;
    if (!given) return;
    if (strategy.type !== 'RoleRollingUpdate') return yield* stepOf(given, replicas);
    const fix = 'remove it, and set maxUnavailable and partition on the roles';
    yield finding(configuration, { saw: 'rollingUpdateConfiguration', want: 'nothing with RoleRollingUpdate', fix });
  },
});

type Given = NonNullable<
  NonNullable<ServingSubject['serving']['spec']['rolloutStrategy']>['rollingUpdateConfiguration']
>;
const configuration = 'spec.rolloutStrategy.rollingUpdateConfiguration';

function* stepOf(given: Given, replicas: number) {
  const names = ['maxUnavailable', 'maxSurge', 'partition'] as const;
  const wrong = names.filter((name) => given[name] !== undefined && resolved(given[name], replicas) === undefined);
  for (const name of wrong)
    yield finding(`${configuration}.${name}`, { saw: given[name], want, fix: `correct ${name}` });
  if (wrong.length > 0 || replicas === 0) return;
  if (resolved(given.maxUnavailable ?? 1, replicas) || resolved(given.maxSurge ?? 0, replicas)) return;
  yield finding(`${configuration}.maxUnavailable`, {
    saw: given.maxUnavailable,
    want: `more than 0 of ${replicas}, or a maxSurge`,
    fix: 'set maxUnavailable to 1',
  });
}

export const roleRolloutIsPossible = servingRule({
  code: 'TND-106',
  severity: 'error',
  title: 'A rollout of roles can make a step',
  because:
    'partition and maxUnavailable of a role are read only when roles are rolled one by one, and must allow a step',
  source: 'kthena-workload 4.2.6',
  *check({ serving }) {
    const byRole = serving.spec.rolloutStrategy?.type === 'RoleRollingUpdate';
    for (const [i, role] of (serving.spec.template?.roles ?? []).entries()) {
      const path = `spec.template.roles[${i}]`;
      if (role.partition !== undefined) yield* partitionOf(`${path}.partition`, role, byRole);
      if (byRole) yield* unavailableOf(`${path}.maxUnavailable`, role);
    }
  },
});

function* partitionOf(path: string, { partition, replicas = 1 }: Role, byRole: boolean) {
  if (!byRole) {
    const fix = 'remove it, or set rolloutStrategy.type to RoleRollingUpdate';
    yield finding(path, { saw: partition, want: 'nothing', fix });
  } else if (resolved(partition, replicas) === undefined) {
    yield finding(path, { saw: partition, want, fix: 'correct partition' });
  }
}

function* unavailableOf(path: string, { maxUnavailable, replicas = 1 }: Role) {
  const unavailable = resolved(maxUnavailable ?? 1, replicas) ?? 0;
  if (replicas === 0 || (unavailable > 0 && unavailable <= replicas)) return;
  yield finding(path, { saw: maxUnavailable, want: `1 to ${replicas}`, fix: 'set maxUnavailable to 1' });
}

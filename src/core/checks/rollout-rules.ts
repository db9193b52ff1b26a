import { finding } from './finding.js';
import { servingRule } from './subject.js';

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
    const path = 'spec.rolloutStrategy.rollingUpdateConfiguration';
    if (strategy.type === 'RoleRollingUpdate') {
      const fix = 'remove it, and set maxUnavailable and partition on the roles';
      yield finding(path, { saw: 'rollingUpdateConfiguration', want: 'nothing with RoleRollingUpdate', fix });
      return;
    }
    const names = ['maxUnavailable', 'maxSurge', 'partition'] as const;
    const wrong = names.filter((name) => given[name] !== undefined && resolved(given[name], replicas) === undefined);
    for (const name of wrong) yield finding(`${path}.${name}`, { saw: given[name], want, fix: `correct ${name}` });
    if (wrong.length > 0 || replicas === 0) return;
    const spare = resolved(given.maxUnavailable ?? 1, replicas) || resolved(given.maxSurge ?? 0, replicas);
    if (spare) return;
    yield finding(`${path}.maxUnavailable`, {
      saw: given.maxUnavailable,
      want: `more than 0 of ${replicas}, or a maxSurge`,
      fix: 'set maxUnavailable to 1',
    });
  },
});

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
      const replicas = role.replicas ?? 1;
      if (role.partition !== undefined && !byRole) {
        const fix = 'remove it, or set rolloutStrategy.type to RoleRollingUpdate';
        yield finding(`${path}.partition`, { saw: role.partition, want: 'nothing', fix });
      } else if (role.partition !== undefined && resolved(role.partition, replicas) === undefined) {
        yield finding(`${path}.partition`, { saw: role.partition, want, fix: 'correct partition' });
      }
      if (!byRole || replicas === 0) continue;
      const unavailable = resolved(role.maxUnavailable ?? 1, replicas);
      if (unavailable !== undefined && unavailable > 0 && unavailable <= replicas) continue;
      yield finding(`${path}.maxUnavailable`, {
        saw: role.maxUnavailable,
        want: `1 to ${replicas}`,
        fix: 'set maxUnavailable to 1',
      });
    }
  },
});

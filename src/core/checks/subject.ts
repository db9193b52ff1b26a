import { labels } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import type { Profiles } from '../profiles/types.js';
import type { PodReading, RoleReading, ServingReading } from '../reading/types.js';
import type { CheckContext } from './context.js';
import type { FoundAt } from './finding.js';
import { type Rule, rule } from './rule.js';

/** One role whose engine is known, with the reading of its entry pod. */
export interface EngineRole extends PodReading {
  readonly role: RoleReading;
  /** What the reading was made with. */
  readonly profiles: Profiles;
}

/** A prefill and a decode role of one serving: their engines must be able to exchange KV. */
export interface Pair {
  readonly prefill: EngineRole;
  readonly decode: EngineRole;
}

/** What rules about a ModelServing are given. */
export interface ServingSubject {
  readonly serving: ModelServing;
  readonly roles: readonly RoleReading[];
  readonly engines: readonly EngineRole[];
  readonly pairs: readonly Pair[];
  readonly context: CheckContext;
}

export function subjectOf(reading: ServingReading, context: CheckContext): ServingSubject {
  const engines = reading.roles.flatMap((role) =>
    role.pod ? [{ ...role.pod, role, profiles: reading.profiles }] : [],
  );
  const on = (side: string) => engines.filter((engine) => engine.side === side);
  const pairs = on('prefill').flatMap((prefill) => on('decode').map((decode) => ({ prefill, decode })));
  return { serving: reading.serving, roles: reading.roles, engines, pairs, context };
}

/** `command`: needs the engine's arguments, so it is silent about a command that cannot be read and gentle about a guess. */
type Reads = 'command' | 'pod';

interface Judging<On> extends Omit<Rule<ServingSubject>, 'check'> {
  readonly reads?: Reads;
  check(on: On, subject: ServingSubject): Iterable<FoundAt>;
}

/** A rule about one engine role at a time. */
export const engineRule = (row: Judging<EngineRole>): Rule<ServingSubject> =>
  rule({
    ...row,
    *check(subject) {
      for (const engine of subject.engines) yield* trusted([engine], row.check(engine, subject), row.reads);
    },
  });

/** A rule about a prefill role beside a decode role. */
export const pairRule = (row: Judging<Pair>): Rule<ServingSubject> =>
  rule({
    ...row,
    *check(subject) {
      for (const pair of subject.pairs) {
        yield* trusted([pair.prefill, pair.decode], row.check(pair, subject), row.reads);
      }
    },
  });

/** The two kinds of pods of one role, when the role has workers whose engine is known. */
export interface Together {
  readonly entry: EngineRole;
  readonly worker: EngineRole;
}

/** A rule about the workers of a role beside its entry pod. */
export const workerRule = (row: Judging<Together>): Rule<ServingSubject> =>
  rule({
    ...row,
    *check(subject) {
      for (const entry of subject.engines) {
        if (!entry.role.worker) continue;
        const worker = { ...entry.role.worker, role: entry.role, profiles: entry.profiles };
        yield* trusted([entry, worker], row.check({ entry, worker }, subject), row.reads);
      }
    },
  });

/** A rule about the serving as a whole. */
export const servingRule = (row: Rule<ServingSubject>): Rule<ServingSubject> => rule(row);

function* trusted(engines: readonly EngineRole[], found: Iterable<FoundAt>, reads: Reads = 'command') {
  if (reads === 'pod') return yield* found;
  if (engines.some(({ engine }) => engine.reading === 'opaque')) return;
  const guessed = engines.some(({ engine }) => engine.reading === 'shell');
  for (const place of found) yield guessed ? { ...place, severity: 'warning' as const } : place;
}

/** Pods of this role in the whole ModelServing, entries only. */
export const instancesOf = ({ role }: EngineRole, { serving }: ServingSubject): number =>
  (serving.spec.replicas ?? 1) * role.replicas;

/**
 * Whether a pod of the role carries a label: 'yes', 'no', or 'maybe' where the controller writes a value that only
 * exists later (group, role instance, revision). Controller labels win over those of the template.
 */
export function carries(
  serving: ModelServing,
  role: RoleReading,
  key: string,
  value: string,
  part: 'entry' | 'worker' = 'entry',
): 'yes' | 'no' | 'maybe' {
  const own: Readonly<Record<string, string | undefined>> = {
    [labels.name]: serving.metadata.name,
    [labels.role]: role.name,
    [labels.entry]: part === 'entry' ? 'true' : undefined,
  };
  if (later.includes(key)) return 'maybe';
  const template = part === 'entry' ? role.template : role.workerTemplate;
  const carried = key in own ? own[key] : template?.metadata?.labels?.[key];
  return carried === value ? 'yes' : 'no';
}

const later: readonly string[] = [labels.groupName, labels.roleId, labels.revision, labels.roleTemplateHash];

/** Whether pods of the role may match all of the labels. */
export const mayMatch = (
  serving: ModelServing,
  role: RoleReading,
  wanted: Readonly<Record<string, string>>,
  part: 'entry' | 'worker' = 'entry',
): boolean => Object.entries(wanted).every(([key, value]) => carries(serving, role, key, value, part) !== 'no');

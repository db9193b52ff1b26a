import type { ModelRoute, ModelServer, ModelServing } from '../../api/types.js';
import { pinnedProfiles } from '../expand/pinned.js';
import { expandServing, servingAsRun } from '../expand/serving.js';
import type { ExpandProblem, ExpandSettings } from '../expand/types.js';
import type { Profiles } from '../profiles/types.js';
import { readServing } from '../reading/serving.js';
import { canBeExpanded } from './all-rules.js';
import { checkModelRoute, checkModelServer, checkServing, sorted } from './check.js';
import type { CheckContext } from './context.js';
import type { Finding } from './finding.js';
import { apply } from './rule.js';
import { checkShape } from './shape.js';

export interface Expansion {
  readonly profiles: Profiles;
  readonly settings: ExpandSettings;
}

/**
 * Everything there is to say about a ModelServing as a user wrote it, errors first: what could not be expanded, and what
 * is wrong with the pods that come out. The webhook and `tandem check` both answer with this.
 */
export function reviewServing(serving: ModelServing, expansion: Expansion, context: CheckContext): readonly Finding[] {
  const misshapen = checkShape('ModelServing', serving, context.objects === 'complete');
  if (misshapen.length > 0) return sorted(misshapen, serving);
  const { profiles, settings } = expansion;
  const expanded = expandServing(serving, profiles, settings);
  const asRun = expanded.mode === 'pods' ? servingAsRun(serving, profiles, settings) : expanded.object;
  const problems = findingsOf(expanded.problems);
  const said = new Set(problems.map(({ path }) => path));
  const others = checkServing(readServing(asRun, pinnedProfiles(serving, profiles).profiles), context).filter(
    ({ path }) => !said.has(path),
  );
  return sorted([...problems, ...others], serving);
}

/** The same for a ModelServer: what its API refuses, else what its rules say. */
export function reviewModelServer(server: ModelServer, context: CheckContext): readonly Finding[] {
  const misshapen = checkShape('ModelServer', server, context.objects === 'complete');
  return misshapen.length > 0 ? sorted(misshapen, server) : checkModelServer(server, context);
}

/** The same for a ModelRoute. */
export function reviewModelRoute(route: ModelRoute, context: CheckContext): readonly Finding[] {
  const misshapen = checkShape('ModelRoute', route, context.objects === 'complete');
  return misshapen.length > 0 ? sorted(misshapen, route) : checkModelRoute(route, context);
}

const findingsOf = (problems: readonly ExpandProblem[]): readonly Finding[] => [...apply(canBeExpanded, problems)];

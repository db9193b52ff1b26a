import type { KubeObject } from '../../api/kube.js';
import { tandemKeys } from '../../api/names.js';
import type { ModelRoute, ModelServer } from '../../api/types.js';
import type { ServingReading } from '../reading/types.js';
import { routeRules, serverRules, servingRules } from './all-rules.js';
import type { CheckContext } from './context.js';
import type { Finding } from './finding.js';
import { checkLink } from './link-rules.js';
import { apply } from './rule.js';
import { subjectOf } from './subject.js';

/** All findings about a ModelServing, errors first; judge the expanded object, so that what Tandem adds is not missed. */
export function checkServing(reading: ServingReading, context: CheckContext): readonly Finding[] {
  const near = nearby(reading.serving, context);
  const subject = subjectOf(reading, near);
  const own = servingRules.flatMap((row) => [...apply(row, subject)]);
  const linked = (near.modelServers ?? []).flatMap((server) => [...checkLink(server, reading, 'serving', near)]);
  return sorted([...own, ...linked], reading.serving);
}

/** All findings about a ModelServer, errors first. */
export function checkModelServer(server: ModelServer, context: CheckContext): readonly Finding[] {
  const near = nearby(server, context);
  const own = serverRules.flatMap((row) => [...apply(row, { server, context: near })]);
  const servings = near.modelServings ?? [];
  const linked = servings.flatMap((serving) => [...checkLink(server, serving, 'server', near)]);
  return sorted([...own, ...linked], server);
}

/** All findings about a ModelRoute, errors first. */
export function checkModelRoute(route: ModelRoute, context: CheckContext): readonly Finding[] {
  return sorted(
    routeRules.flatMap((row) => [...apply(row, { route, context: nearby(route, context) })]),
    route,
  );
}

/** Only what is in the object's own namespace: the rest neither serves it nor is its author's to know. */
function nearby({ metadata: { namespace = 'default' } }: KubeObject, context: CheckContext): CheckContext {
  const isNear = ({ metadata }: KubeObject) => (metadata.namespace ?? 'default') === namespace;
  const { modelServings, modelServers, modelRoutes, ...rest } = context;
  return {
    ...rest,
    ...(modelServings && { modelServings: modelServings.filter(({ serving }) => isNear(serving)) }),
    ...(modelServers && { modelServers: modelServers.filter(isNear) }),
    ...(modelRoutes && { modelRoutes: modelRoutes.filter(isNear) }),
  };
}

/** Rule codes that the object's own annotation takes out. */
export function skippedCodes({ metadata }: KubeObject): ReadonlySet<string> {
  const value = metadata.annotations?.[tandemKeys.skipChecks.key] ?? '';
  return new Set(value.split(',').map((code) => code.trim()));
}

/** Without the codes that the object skips; errors first, then by code and path. */
export function sorted(findings: readonly Finding[], object: KubeObject): readonly Finding[] {
  const skipped = skippedCodes(object);
  const rank = ({ severity }: Finding) => (severity === 'error' ? 0 : 1);
  return findings
    .filter(({ code }) => !skipped.has(code))
    .sort((a, b) => rank(a) - rank(b) || a.code.localeCompare(b.code) || a.path.localeCompare(b.path));
}

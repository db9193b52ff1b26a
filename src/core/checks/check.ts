import type { KubeObject } from '../../api/kube.js';
import { tandemKeys } from '../../api/names.js';
import type { ModelRoute, ModelServer } from '../../api/types.js';
import type { ServingReading } from '../reading/types.js';
import { routeRules, selectsSomething, serverRules, servingRules } from './all-rules.js';
import type { CheckContext } from './context.js';
import type { Finding } from './finding.js';
import { checkLink } from './link-rules.js';
import { modelHasOneRoute, targetsExist } from './route-rules.js';
import { apply } from './rule.js';
import { subjectOf } from './subject.js';

/** All findings about a ModelServing, errors first; judge the expanded object, so that what Tandem adds is not missed. */
export function checkServing(reading: ServingReading, context: CheckContext): readonly Finding[] {
  const near = nearby(reading.serving, context);
  const subject = subjectOf(reading, near);
  const own = servingRules.flatMap((row) => [...apply(row, subject)]);
  return sorted([...own, ...linksOfServing(reading, near)], reading.serving);
}

const linksOfServing = (reading: ServingReading, near: CheckContext): readonly Finding[] =>
  (near.modelServers ?? []).flatMap((server) => [...checkLink(server, reading, 'serving', near)]);
const linksOfServer = (server: ModelServer, near: CheckContext): readonly Finding[] =>
  (near.modelServings ?? []).flatMap((serving) => [...checkLink(server, serving, 'server', near)]);

/**
 * Of all findings only those that another object can cause or cure: what has to be judged again when that object appears,
 * changes or goes. The context holds objects of one namespace.
 */
export const relationsOf = {
  serving: (reading: ServingReading, near: CheckContext): readonly Finding[] =>
    sorted(linksOfServing(reading, near), reading.serving),
  server: (server: ModelServer, near: CheckContext): readonly Finding[] =>
    sorted([...apply(selectsSomething, { server, context: near }), ...linksOfServer(server, near)], server),
  route: (route: ModelRoute, near: CheckContext): readonly Finding[] =>
    sorted(
      relationalRouteRules.flatMap((row) => [...apply(row, { route, context: near })]),
      route,
    ),
};
const relationalRouteRules = [targetsExist, modelHasOneRoute];

/** All findings about a ModelServer, errors first. */
export function checkModelServer(server: ModelServer, context: CheckContext): readonly Finding[] {
  const near = nearby(server, context);
  const own = serverRules.flatMap((row) => [...apply(row, { server, context: near })]);
  return sorted([...own, ...linksOfServer(server, near)], server);
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

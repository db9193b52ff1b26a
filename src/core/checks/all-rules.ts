import type { ExpandProblem } from '../expand/types.js';
import * as agreement from './agreement-rules.js';
import * as api from './api-rules.js';
import * as connector from './connector-rules.js';
import * as device from './device-rules.js';
import { finding } from './finding.js';
import * as identity from './identity-rules.js';
import * as lifecycle from './lifecycle-rules.js';
import { linkRules, nothingSelected } from './link-rules.js';
import * as need from './need-rules.js';
import * as note from './note-rules.js';
import * as parallelism from './parallelism-rules.js';
import * as platform from './platform-rules.js';
import * as port from './port-rules.js';
import * as protocol from './protocol-rules.js';
import * as rankPort from './rank-port-rules.js';
import * as rollout from './rollout-rules.js';
import type { RouteSubject } from './route-rules.js';
import * as route from './route-rules.js';
import { type Rule, rule } from './rule.js';
import type { ServerSubject } from './server-rules.js';
import * as server from './server-rules.js';
import { shapeIsRight } from './shape.js';
import * as speculation from './speculation-rules.js';
import * as storage from './storage-rules.js';
import type { ServingSubject } from './subject.js';
import * as worker from './worker-rules.js';

export const selectsSomething: Rule<ServerSubject> = rule({
  code: 'TND-209',
  severity: 'warning',
  title: 'The pods that a ModelServer selects exist',
  because: 'requests are answered with 503 until they do',
  source: 'pd-protocols C-20',
  *check({ server, context }) {
    yield* nothingSelected(server, context.modelServings);
  },
});

/** What expansion itself reports: the terse form asks for something that no profile can give. */
export const canBeExpanded: Rule<readonly ExpandProblem[]> = rule({
  code: 'TND-120',
  severity: 'error',
  title: 'The terse form can be expanded',
  because: 'the role would be left without the containers that the annotations ask for',
  source: 'Tandem, DESIGN 4.1',
  *check(problems) {
    for (const { path, ...rest } of problems) yield finding(path, rest);
  },
});

const rulesIn = <Subject>(...files: readonly Record<string, unknown>[]): readonly Rule<Subject>[] =>
  files.flatMap((file) => Object.values(file).filter(isRule<Subject>)).sort((a, b) => a.code.localeCompare(b.code));

const isRule = <Subject>(value: unknown): value is Rule<Subject> =>
  typeof value === 'object' && value !== null && 'code' in value && 'check' in value;

export const servingRules = rulesIn<ServingSubject>(
  api,
  rollout,
  connector,
  agreement,
  speculation,
  device,
  parallelism,
  rankPort,
  worker,
  identity,
  port,
  storage,
  platform,
  need,
  note,
  lifecycle,
  protocol,
);
export const serverRules = [...rulesIn<ServerSubject>(server), selectsSomething];
export const routeRules = rulesIn<RouteSubject>(route);

export type RuleFacts = Omit<Rule<never>, 'check'> & { readonly judges: readonly string[] };

/** Every rule once, by code: what docs, `tandem check` and the webhook know. */
export const allRules: readonly RuleFacts[] = [
  facts(shapeIsRight, 'ModelServing', 'ModelServer', 'ModelRoute'),
  facts(canBeExpanded, 'ModelServing'),
  ...servingRules.map((row) => facts(row, 'ModelServing')),
  ...serverRules.map((row) => facts(row, 'ModelServer')),
  ...routeRules.map((row) => facts(row, 'ModelRoute')),
  ...linkRules.map((row) => facts(row, 'ModelServing', 'ModelServer')),
].sort((a, b) => a.code.localeCompare(b.code));

function facts<Subject>({ check: _, ...row }: Rule<Subject>, ...judges: readonly string[]): RuleFacts {
  return { ...row, judges };
}

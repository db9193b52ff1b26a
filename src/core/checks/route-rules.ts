import type { ModelRoute } from '../../api/types.js';
import { compileRegex } from '../pairing/regex.js';
import type { CheckContext } from './context.js';
import { finding } from './finding.js';
import { type Rule, rule } from './rule.js';

export interface RouteSubject {
  readonly route: ModelRoute;
  readonly context: CheckContext;
}

const routeRule = (row: Rule<RouteSubject>): Rule<RouteSubject> => rule(row);

export const routeNamesModel = routeRule({
  code: 'TND-211',
  severity: 'error',
  title: 'A route names a model or adapters',
  because: 'no request could ever match it',
  source: 'kthena-router 1.4',
  *check({ route }) {
    const { modelName = '', loraAdapters = [] } = route.spec;
    if (modelName === '' && loraAdapters.length === 0) {
      yield finding('spec.modelName', { saw: undefined, want: 'a model name or loraAdapters', fix: 'set modelName' });
    }
    for (const [i, name] of loraAdapters.entries()) {
      if (name === '')
        yield finding(`spec.loraAdapters[${i}]`, { saw: name, want: 'a name', fix: 'remove the empty entry' });
    }
  },
});

export const rulesHaveTargets = routeRule({
  code: 'TND-212',
  severity: 'error',
  title: 'Every rule has a target with some weight, named once',
  because: 'a request that matches the rule could go nowhere',
  source: 'kthena-router 1.4',
  *check({ route }) {
    const { rules = [], loraAdapters = [] } = route.spec;
    const none = { saw: undefined, want: 'at least one rule', fix: 'add a rule' };
    if (rules.length === 0) yield finding('spec.rules', none);
    for (const [i, { targetModels = [] }] of rules.entries()) {
      const path = `spec.rules[${i}].targetModels`;
      const total = targetModels.reduce((sum, { weight = 100 }) => sum + weight, 0);
      const saw = targetModels.length === 0 ? undefined : 'weights that are all 0';
      if (total === 0) yield finding(path, { saw, want: 'a target with a weight', fix: 'add a target' });
      for (const [j, target] of targetModels.entries())
        yield* oneTarget(`${path}[${j}]`, target, loraAdapters.length > 0);
    }
  },
});

type Target = ModelRoute['spec']['rules'][number]['targetModels'][number];

function* oneTarget(
  path: string,
  { modelServerName: server, externalModelProviderName: provider }: Target,
  lora: boolean,
) {
  if ((server === undefined) === (provider === undefined)) {
    const want = 'either modelServerName or externalModelProviderName';
    yield finding(path, { saw: server === undefined ? undefined : 'both', want, fix: 'name one of them' });
  } else if (provider !== undefined && lora) {
    const fix = 'use a ModelServer, or remove loraAdapters';
    const want = 'no external provider with loraAdapters';
    yield finding(`${path}.externalModelProviderName`, { saw: provider, want, fix });
  }
}

export const patternsCompile = routeRule({
  code: 'TND-213',
  severity: 'error',
  title: 'Patterns compile',
  because: 'a rule with a broken pattern matches nothing',
  source: 'kthena-router 1.4',
  *check({ route }) {
    for (const [i, { modelMatch }] of (route.spec.rules ?? []).entries()) {
      const path = `spec.rules[${i}].modelMatch`;
      yield* pattern(`${path}.uri`, modelMatch?.uri);
      for (const [name, match] of Object.entries(modelMatch?.headers ?? {})) {
        yield* pattern(`${path}.headers["${name}"]`, match);
      }
    }
  },
});

interface Pattern {
  readonly exact?: string;
  readonly prefix?: string;
  readonly regex?: string;
}

function* pattern(path: string, match: Pattern = {}) {
  const compiled = match.regex === undefined ? undefined : compileRegex(match.regex);
  if (compiled && 'error' in compiled) {
    const want = 'an expression that the router can match, in the syntax of RE2';
    yield finding(`${path}.regex`, { saw: match.regex, want, fix: `correct it: ${compiled.error}` });
  }
  const set = (['exact', 'prefix', 'regex'] as const).filter((name) => match[name] !== undefined);
  if (set.length < 2) return;
  const fix = `remove all but ${set[0]}, which is the one that counts`;
  yield finding(path, { saw: set.join(' and '), want: 'one of them', fix }, 'warning');
}

export const targetsExist = routeRule({
  code: 'TND-214',
  severity: 'warning',
  title: 'The targets of a route exist',
  because: 'requests are answered with 503 until they do',
  source: 'Tandem, DESIGN 4.1',
  *check({ route, context }) {
    const servers = context.modelServers;
    if (!servers) return;
    for (const [i, { targetModels = [] }] of (route.spec.rules ?? []).entries()) {
      for (const [j, { modelServerName: name }] of targetModels.entries()) {
        if (name === undefined || servers.some(({ metadata }) => metadata.name === name)) continue;
        const path = `spec.rules[${i}].targetModels[${j}].modelServerName`;
        yield finding(path, {
          saw: name,
          want: 'a ModelServer of this namespace',
          fix: 'apply it, or correct the name',
        });
      }
    }
  },
});

export const modelHasOneRoute = routeRule({
  code: 'TND-215',
  severity: 'warning',
  title: 'A model has one route',
  because: 'the oldest route is asked first, the others only when none of its rules match',
  source: 'kthena-router 11.1',
  *check({ route, context }) {
    const { modelName } = route.spec;
    const other = (context.modelRoutes ?? []).find(
      ({ metadata, spec }) => metadata.name !== route.metadata.name && spec.modelName === modelName,
    );
    if (!modelName || !other) return;
    const fix = 'join the rules in one route, or rename the model';
    yield finding('spec.modelName', {
      saw: modelName,
      want: `a model that ${other.metadata.name ?? 'no other route'} does not route`,
      fix,
    });
  },
});

import type { ModelRoute } from '../../api/types.js';
import { compileRegex, type Regex } from './regex.js';

export interface Wanted {
  /** `model` of the request body. */
  readonly model: string;
  /** URL path without query. */
  readonly path: string;
  /** First value of a request header, by lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** In [0, 1): chooses among weighted targets. */
  readonly random: number;
}

export interface Target {
  readonly route: ModelRoute;
  readonly namespace: string;
  readonly modelServer: string;
  /** The request named a LoRA adapter: its `model` must reach the engine as it is. */
  readonly isLora: boolean;
}

export type RouteAnswer = { readonly target: Target } | { readonly none: 'model' | 'rule'; readonly why: string };

type Rule = ModelRoute['spec']['rules'][number];
type StringMatch = NonNullable<NonNullable<Rule['modelMatch']>['uri']>;

/**
 * All routes, indexed once per change: by model name, then by LoRA adapter, oldest route first. Routes of every namespace
 * compete. A route with parentRefs belongs to a gateway and is not asked here.
 */
export class RouteTable {
  readonly #byModel = new Map<string, ModelRoute[]>();
  readonly #byAdapter = new Map<string, ModelRoute[]>();
  readonly #patterns = new Map<string, Regex | undefined>();
  /** Patterns that cannot be matched, with the reason: they match nothing. */
  readonly badPatterns: readonly { readonly route: string; readonly pattern: string; readonly error: string }[];

  constructor(routes: readonly ModelRoute[]) {
    const bad: { route: string; pattern: string; error: string }[] = [];
    for (const route of [...routes].sort(oldestFirst)) {
      if ((route.spec.parentRefs ?? []).length > 0) continue;
      if (route.spec.modelName) append(this.#byModel, route.spec.modelName, route);
      for (const adapter of route.spec.loraAdapters ?? []) append(this.#byAdapter, adapter, route);
      for (const pattern of patternsOf(route)) {
        const regex = compileRegex(pattern);
        if ('error' in regex) bad.push({ route: nameOf(route), pattern, error: regex.error });
        this.#patterns.set(pattern, 'error' in regex ? undefined : regex);
      }
    }
    this.badPatterns = bad;
  }

  /** Every model and adapter that a request may name, models first, each sorted. */
  get models(): readonly string[] {
    return [...new Set([...[...this.#byModel.keys()].sort(), ...[...this.#byAdapter.keys()].sort()])];
  }

  /** True when some route names this model or adapter: such names are few, so they may label a metric. */
  knows(model: string): boolean {
    return this.#byModel.has(model) || this.#byAdapter.has(model);
  }

  match(wanted: Wanted): RouteAnswer {
    const byName = this.#byModel.get(wanted.model);
    const routes = byName ?? this.#byAdapter.get(wanted.model);
    if (!routes) return { none: 'model', why: `no ModelRoute names ${wanted.model}` };
    for (const route of routes) {
      const rule = route.spec.rules.find((rule) => this.#holds(rule, wanted));
      const modelServer = rule && weighted(rule, wanted.random);
      const namespace = route.metadata.namespace ?? '';
      if (modelServer) return { target: { route, namespace, modelServer, isLora: byName === undefined } };
    }
    return { none: 'rule', why: `no rule of ${routes.map(nameOf).join(', ')} matches this request` };
  }

  #holds({ modelMatch }: Rule, wanted: Wanted): boolean {
    if (!modelMatch) return true;
    const { body, headers = {}, uri } = modelMatch;
    if (body?.model !== undefined && body.model !== wanted.model) return false;
    if (uri && !this.#matches(uri, wanted.path)) return false;
    return Object.entries(headers).every(([name, match]) =>
      this.#matches(match, wanted.header(name.toLowerCase()) ?? ''),
    );
  }

  /** When several are given, exact decides before prefix and prefix before regex; none given matches everything. */
  #matches({ exact, prefix, regex }: StringMatch, value: string): boolean {
    if (exact !== undefined) return value === exact;
    if (prefix !== undefined) return value.startsWith(prefix);
    return regex === undefined || (this.#patterns.get(regex)?.test(value) ?? false);
  }
}

const nameOf = ({ metadata }: ModelRoute): string => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;

function append(index: Map<string, ModelRoute[]>, name: string, route: ModelRoute): void {
  const routes = index.get(name);
  if (routes) routes.push(route);
  else index.set(name, [route]);
}

function oldestFirst(a: ModelRoute, b: ModelRoute): number {
  const [createdA = '', createdB = ''] = [a.metadata.creationTimestamp, b.metadata.creationTimestamp];
  const [nameA, nameB] = [nameOf(a), nameOf(b)];
  if (createdA !== createdB) return createdA < createdB ? -1 : 1;
  return nameA < nameB ? -1 : 1;
}

function patternsOf({ spec }: ModelRoute): readonly string[] {
  const matches = spec.rules.flatMap(({ modelMatch }) => [
    modelMatch?.uri,
    ...Object.values(modelMatch?.headers ?? {}),
  ]);
  return matches.flatMap((match) => (match?.regex === undefined ? [] : [match.regex]));
}

/** Weighted choice; weights are all given or all absent, as in Kthena, else the rule has no target. Zero is never chosen. */
function weighted({ targetModels }: Rule, random: number): string | undefined {
  const given = targetModels.filter(({ weight }) => weight !== undefined).length;
  if (given !== 0 && given !== targetModels.length) return undefined;
  const weights = targetModels.map(({ weight }) => weight ?? 1);
  let left = random * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, target] of targetModels.entries()) {
    const weight = weights[i] ?? 0;
    if (weight > 0 && left < weight) return target.modelServerName;
    left -= weight;
  }
  return undefined;
}

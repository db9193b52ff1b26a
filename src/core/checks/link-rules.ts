import { labels } from '../../api/names.js';
import type { ModelServer } from '../../api/types.js';
import type { ServingReading } from '../reading/types.js';
import type { CheckContext } from './context.js';
import type { Finding, FoundAt, Severity } from './finding.js';
import { finding } from './finding.js';
import { flagPath, isUpstreamMooncake } from './reads.js';
import { apply, type Rule, rule } from './rule.js';
import { type EngineRole, mayMatch, type ServingSubject, subjectOf } from './subject.js';

/** A ModelServer beside one ModelServing whose pods it selects. Both paths are known, so that either object can be told. */
export interface Link {
  readonly server: ModelServer;
  readonly subject: ServingSubject;
  /** The selected roles that run an engine, by the side that the ModelServer takes them for. */
  readonly prefill: readonly EngineRole[];
  readonly decode: readonly EngineRole[];
  readonly all: readonly EngineRole[];
  /** Which of the two is being judged: its path is the one in the message. */
  readonly judged: 'server' | 'serving';
}

/** What is said where, to the author of each of the two objects. */
interface Told {
  readonly path: string;
  readonly saw: unknown;
  readonly want: string;
}
function told(link: Link, both: Record<Link['judged'], Told>, fix: string, severity?: Severity): FoundAt {
  const { path, ...rest } = both[link.judged];
  return finding(path, { ...rest, fix }, severity);
}

const serverName = ({ server }: Link): string => `ModelServer ${server.metadata.name ?? ''}`;
const servingName = ({ subject }: Link): string => `ModelServing ${subject.serving.metadata.name ?? ''}`;

/** A finding that a guess at a shell script led to is never an error. */
function severityOf({ engine }: EngineRole, severity: Severity): Severity {
  return engine.reading === 'exact' ? severity : 'warning';
}

const linkRule = (row: Rule<Link>): Rule<Link> => rule(row);

const speaks: Readonly<Record<string, readonly string[]>> = {
  nixl: ['nixl-pull', 'nixl-push'],
  mooncake: ['mooncake', 'nixl-pull', 'layerwise'],
  lmcache: ['two-step', 'lmcache-pd'],
  http: ['two-step'],
};

export const connectorFitsEngine = linkRule({
  code: 'TND-004',
  severity: 'error',
  title: "The ModelServer's connector fits that of the engines",
  because: 'with the wrong protocol decode computes every prompt again, without an error',
  source: 'pd-protocols C-4',
  *check(link) {
    const { kvConnector, inferenceEngine } = link.server.spec;
    if (kvConnector?.type === undefined || inferenceEngine === 'SGLang') return;
    const { type } = kvConnector;
    for (const engine of [...link.prefill, ...link.decode]) {
      const { name, profile, path } = engine.connector ?? {};
      if (profile === undefined || (speaks[type] ?? []).includes(profile.dialect)) continue;
      const want = `a type for ${name} (dialect ${profile.dialect})`;
      const both = {
        server: { path: 'spec.kvConnector.type', saw: type, want },
        serving: {
          path: path ?? engine.containerPath,
          saw: name,
          want: `a connector for ${type}, as ${serverName(link)} says`,
        },
      };
      yield told(
        link,
        both,
        'change one of the two; without kvConnector Tandem infers it',
        severityOf(engine, 'error'),
      );
    }
  },
});

export const engineFits = linkRule({
  code: 'TND-207',
  severity: 'error',
  title: 'inferenceEngine is the engine that the pods run',
  because: 'metrics and protocol are chosen by it',
  source: 'kthena-router 1.1',
  *check(link) {
    const asked = link.server.spec.inferenceEngine;
    for (const engine of link.all) {
      const runs = engine.engine.profile.family === 'sglang' ? 'SGLang' : 'vLLM';
      if (runs === asked) continue;
      const both = {
        server: { path: 'spec.inferenceEngine', saw: asked, want: `${runs}, as in ${servingName(link)}` },
        serving: { path: `${engine.containerPath}.image`, saw: runs, want: `${asked}, as in ${serverName(link)}` },
      };
      yield told(link, both, 'make both the same');
    }
  },
});

export const nameIsServed = linkRule({
  code: 'TND-210',
  severity: 'error',
  title: 'The engines serve the model of the ModelServer',
  because: 'the router sends that name to the engine, which answers 404 to a name it does not serve',
  source: 'pd-protocols C-9',
  *check(link) {
    const { model } = link.server.spec;
    if (model === undefined || model === '') return;
    for (const engine of link.all) {
      const { servedNames, reading } = engine.engine;
      if (reading === 'opaque' || servedNames.length === 0 || servedNames.includes(model)) continue;
      const names = servedNames.join(' or ');
      const both = {
        server: { path: 'spec.model', saw: model, want: `${names}, as ${servingName(link)} serves it` },
        serving: {
          path: flagPath(engine, 'served-model-name'),
          saw: names,
          want: `${model}, as ${serverName(link)} asks for it`,
        },
      };
      yield told(link, both, 'make spec.model and --served-model-name the same', severityOf(engine, 'error'));
    }
  },
});

export const portIsServed = linkRule({
  code: 'TND-065',
  severity: 'error',
  title: 'workloadPort is the port of the engines',
  because: 'the router is refused at any other port',
  source: 'pd-protocols C-65',
  *check(link) {
    const { port } = link.server.spec.workloadPort;
    for (const engine of link.all) {
      const { port: own, reading } = engine.engine;
      if (reading === 'opaque' || own === port) continue;
      const both = {
        server: {
          path: 'spec.workloadPort.port',
          saw: port,
          want: `${own}, the port of ${servingName(link)} ${engine.role.name}`,
        },
        serving: { path: flagPath(engine, 'port'), saw: own, want: `${port}, as ${serverName(link)} says` },
      };
      yield told(link, both, 'make workloadPort and --port the same', severityOf(engine, 'error'));
    }
  },
});

export const labelsMatchSides = linkRule({
  code: 'TND-208',
  severity: 'error',
  title: 'The labels of a pdGroup match the roles',
  because: 'a side without pods means that no request can be served',
  source: 'pd-protocols C-20',
  *check(link) {
    const group = link.server.spec.workloadSelector?.pdGroup;
    if (!group || link.all.length === 0) return;
    const sides = [
      ['prefill', 'prefillLabels', link.prefill],
      ['decode', 'decodeLabels', link.decode],
    ] as const;
    for (const [side, field, matched] of sides) {
      const path = link.judged === 'server' ? `spec.workloadSelector.pdGroup.${field}` : 'spec.template.roles';
      if (matched.length === 0) {
        const want = `labels of a ${side} role of ${servingName(link)}`;
        yield finding(path, { saw: group[field], want, fix: `use ${labels.role}: ${side}, or rename the role` });
      }
      for (const { role } of matched.filter((engine) => engine.side !== side && engine.side !== 'aggregated')) {
        yield finding(path, {
          saw: `the role ${role.name}`,
          want: `a role whose kv_role is that of ${side}`,
          fix: `select the ${side} role`,
        });
      }
    }
  },
});

export const consumersGetNoPrefill = linkRule({
  code: 'TND-079',
  severity: 'error',
  title: 'Upstream Mooncake is never asked for the work of the other side',
  because:
    'parameters for prefill end the process of a kv_consumer by an assertion, and those for decode that of a kv_producer',
  source: 'pd-protocols C-79, A.2',
  *check(link) {
    for (const [side, wrong, engines] of [
      ['prefillLabels', 'kv_consumer', link.prefill],
      ['decodeLabels', 'kv_producer', link.decode],
    ] as const) {
      for (const engine of engines.filter((one) => isUpstreamMooncake(one) && one.connector?.role === wrong)) {
        const path = `spec.workloadSelector.pdGroup.${side}`;
        const both = {
          server: { path, saw: `the role ${engine.role.name}, a ${wrong}`, want: `no ${wrong}` },
          serving: {
            path: engine.connector?.path ?? engine.containerPath,
            saw: wrong,
            want: `another kv_role: ${serverName(link)} selects it by ${side}`,
          },
        };
        yield told(link, both, `correct ${side} of the ModelServer, or kv_role`, severityOf(engine, 'error'));
      }
    }
  },
});

export const workersAreNotSelected = linkRule({
  code: 'TND-038',
  severity: 'error',
  title: 'Only pods with an API are selected',
  because: 'worker pods of a role have none, and requests to them fail',
  source: 'pd-protocols C-38',
  *check(link) {
    const { matchLabels = {}, pdGroup } = link.server.spec.workloadSelector;
    const sides = [
      ['pdGroup.prefillLabels', pdGroup?.prefillLabels, link.prefill],
      ['pdGroup.decodeLabels', pdGroup?.decodeLabels, link.decode],
    ] as const;
    for (const [field, more, engines] of pdGroup ? sides : ([['matchLabels', {}, link.all]] as const)) {
      for (const { role } of engines.filter((engine) => engine.role.workerReplicas > 0)) {
        if (!mayMatch(link.subject.serving, role, { ...matchLabels, ...more }, 'worker')) continue;
        const path = link.judged === 'server' ? `spec.workloadSelector.${field}` : `${role.path}.workerReplicas`;
        const place = {
          saw: `workers of the role ${role.name} too`,
          want: 'entry pods only',
          fix: `add ${labels.entry}: "true"`,
        };
        // Without sides the labels are mostly those of the whole serving, and our router leaves workers out by itself.
        yield finding(path, place, pdGroup ? undefined : 'warning');
      }
    }
  },
});

export const everyRankIsAsked = linkRule({
  code: 'TND-216',
  severity: 'warning',
  title: 'Ranks that are balanced from outside get requests',
  because: 'a ModelServer names one port, so the ranks on the others wait for nothing',
  source: 'pd-protocols C-36',
  *check(link) {
    for (const { engine, containerPath, role } of link.all) {
      const [first, last] = [engine.apiPorts[0], engine.apiPorts.at(-1)];
      if (engine.reading === 'opaque' || first === last) continue;
      const saw = `one port for ranks at ${first} to ${last}`;
      const both = {
        server: { path: 'spec.workloadPort.port', saw, want: `one API of the role ${role.name}` },
        serving: { path: `${containerPath}.args`, saw, want: `one API, as ${serverName(link)} has one port` },
      };
      yield told(
        link,
        both,
        'let the engine balance: remove --data-parallel-external-lb, or run each rank as a role instance',
      );
    }
  },
});

export const linkRules: readonly Rule<Link>[] = [
  connectorFitsEngine,
  engineFits,
  nameIsServed,
  portIsServed,
  labelsMatchSides,
  consumersGetNoPrefill,
  workersAreNotSelected,
  everyRankIsAsked,
];

/** Judges what is linked to the object in hand; while the others can still change, a contradiction is a warning. */
export function* checkLink(
  server: ModelServer,
  serving: ServingReading,
  judged: Link['judged'],
  context: CheckContext,
): Iterable<Finding> {
  const link = linkOf(server, subjectOf(serving, context), judged);
  if (!link) return;
  for (const row of linkRules) {
    for (const found of apply(row, link)) yield context.objects === 'live' ? { ...found, severity: 'warning' } : found;
  }
}

function linkOf(server: ModelServer, subject: ServingSubject, judged: Link['judged']): Link | undefined {
  const { matchLabels = {}, pdGroup } = server.spec.workloadSelector ?? {};
  if (Object.keys(matchLabels).length === 0) return undefined;
  const selected = (more: Readonly<Record<string, string>>) =>
    subject.engines.filter(({ role }) => mayMatch(subject.serving, role, { ...matchLabels, ...more }));
  const all = selected({});
  if (all.length === 0) return undefined;
  const side = (wanted: Readonly<Record<string, string>> | undefined) => (wanted ? selected(wanted) : []);
  return { server, subject, all, prefill: side(pdGroup?.prefillLabels), decode: side(pdGroup?.decodeLabels), judged };
}

/** Whether any role of the serving, with or without an engine, may be selected. */
export const selectsServing = (server: ModelServer, { serving, roles }: ServingReading): boolean =>
  roles.some((role) => mayMatch(serving, role, server.spec.workloadSelector?.matchLabels ?? {}));

/** For `FoundAt` of the rule that nothing is selected at all. */
export function* nothingSelected(
  server: ModelServer,
  servings: readonly ServingReading[] | undefined,
): Iterable<FoundAt> {
  const wanted = server.spec.workloadSelector?.matchLabels ?? {};
  if (!servings || Object.keys(wanted).length === 0) return;
  // Pods of a Deployment may be meant: only labels of a ModelServing are known to be its business.
  if (!Object.keys(wanted).some((key) => key.startsWith('modelserving.volcano.sh/'))) return;
  if (servings.some((serving) => selectsServing(server, serving))) return;
  yield finding('spec.workloadSelector.matchLabels', {
    saw: wanted,
    want: 'labels of a ModelServing of this namespace',
    fix: 'apply the ModelServing, or correct the labels',
  });
}

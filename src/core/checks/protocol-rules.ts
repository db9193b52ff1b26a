import { tandemKeys } from '../../api/names.js';
import { asText } from '../../base/json.js';
import { finding } from './finding.js';
import { envOf, envPath, extraOf, isLmcachePd, literalOf, sourceOf } from './reads.js';
import { type EngineRole, engineRule, pairRule, type ServingSubject, servingRule } from './subject.js';

/** What router and engines must say to each other beside the handover itself (pd-protocols A.4, A.5). */

const pathOf = ({ connector, containerPath }: EngineRole): string => connector?.path ?? containerPath;

const receiverPorts = ['pd_peer_init_port', 'pd_peer_alloc_port'] as const;

/**
 * The ports a receiver is told to open: a member `lmcache.NAME` of the connector's configuration counts before the
 * variable, and a configuration file makes LMCache ignore variables. Undefined when nothing readable names them.
 */
function portsOf(engine: EngineRole, name: string): readonly string[] | undefined {
  const own = extraOf(engine, `lmcache.${name}`);
  if (Array.isArray(own)) return own.map(asText);
  if (envOf(engine, 'LMCACHE_CONFIG_FILE')) return undefined;
  const text = own === undefined ? literalOf(engine, `LMCACHE_${name.toUpperCase()}`) : asText(own);
  return text
    ?.replace(/[[\]\s]/g, '')
    .split(',')
    .filter((port) => port !== '');
}

export const everyRankReceives = engineRule({
  code: 'TND-045',
  severity: 'error',
  title: 'Every rank of an LMCache receiver has its ports',
  because: 'each tensor-parallel rank receives at a port of its own, and a rank without one gets no KV',
  source: 'pd-protocols C-45, B.6',
  *check(engine) {
    if (!isLmcachePd(engine) || engine.side !== 'decode') return;
    const ranks = engine.engine.tensorParallel;
    yield* unseenPorts(engine, ranks);
    for (const name of receiverPorts) {
      const ports = portsOf(engine, name);
      if (ports === undefined || ports.length === ranks) continue;
      yield finding(pathOf(engine), {
        saw: `${name} with ${ports.length} ports`,
        want: `${ranks}, one for each tensor-parallel rank`,
        fix: `list ${ranks} different ports in ${name}`,
      });
    }
  },
});

/** Ports that are told elsewhere: what cannot be judged is said, with the number that they must have. */
function* unseenPorts(engine: EngineRole, ranks: number) {
  const hidden = receiverPorts.filter((name) => extraOf(engine, `lmcache.${name}`) === undefined);
  const file = envOf(engine, 'LMCACHE_CONFIG_FILE');
  const names = file ? ['LMCACHE_CONFIG_FILE'] : hidden.map((name) => `LMCACHE_${name.toUpperCase()}`);
  for (const name of hidden.length === 0 ? [] : names) {
    const saw = sourceOf(engine, name) ?? (file?.value === undefined ? undefined : `the file ${file.value}`);
    if (saw === undefined) continue;
    const want = `${ranks} ports in ${file ? hidden.join(' and in ') : name}, one for each tensor-parallel rank`;
    yield finding(envPath(engine, name), { saw, want, fix: lookThere }, 'warning');
  }
}

const lookThere = 'look there; `tandem check -f` does when the ConfigMap is among its files, and admission reads none';

export const senderWaitsForReceiver = pairRule({
  code: 'TND-073',
  severity: 'warning',
  title: 'An LMCache sender starts after its receiver',
  because: 'prefill connects to decode once, when it starts; roles of a group start together',
  source: 'pd-protocols C-73',
  *check({ prefill, decode }) {
    if (!isLmcachePd(prefill) || (prefill.spec.initContainers ?? []).length > 0) return;
    yield finding(`${prefill.path}.initContainers`, {
      saw: undefined,
      want: `a wait for the pods of ${decode.role.name}`,
      fix: `add an init container that waits until ${decode.role.name} answers /health`,
    });
  },
});

export const revisionsAreToldApart = servingRule({
  code: 'TND-071',
  severity: 'warning',
  title: 'The router can tell revisions apart while roles are rolled one by one',
  because:
    'without the fingerprint that admission adds to pods, prefill of one revision is paired with decode of another',
  source: 'pd-protocols C-71',
  *check({ serving, pairs }) {
    const { key } = tandemKeys.expand;
    const isOff = serving.metadata.annotations?.[key] === 'off';
    if (!isOff || pairs.length === 0 || serving.spec.rolloutStrategy?.type !== 'RoleRollingUpdate') return;
    yield finding('spec.rolloutStrategy.type', {
      saw: `RoleRollingUpdate with ${key}: off`,
      want: 'ServingGroupRollingUpdate, or pods with a fingerprint',
      fix: `set it to ServingGroupRollingUpdate, or set ${key} to pods`,
    });
  },
});

/** The engines of a pair whose protocol the router does not speak; none when it is not known what it speaks. */
function unspoken({ engines, context }: ServingSubject): readonly (readonly [EngineRole, string])[] {
  const { dialects } = context;
  if (!dialects) return [];
  return engines.flatMap((engine) => {
    const dialect = engine.connector?.profile?.dialect;
    return dialect === undefined || engine.side === 'aggregated' || dialects.includes(dialect)
      ? []
      : [[engine, dialect] as const];
  });
}

const callsBack = 'layerwise';

export const routerIsCalledBack = servingRule({
  code: 'TND-072',
  severity: 'warning',
  title: 'A layerwise decode can call back its router',
  because: 'decode asks the router for its prefill, and waits for ever when nobody answers',
  source: 'pd-protocols C-72, A.4',
  *check(subject) {
    for (const [engine, dialect] of unspoken(subject)) {
      if (dialect !== callsBack || engine.side !== 'decode') continue;
      yield finding(pathOf(engine), {
        saw: engine.connector?.name,
        want: 'a connector whose decode does not call back: the router of Tandem has no address for it',
        fix: 'use MooncakeConnectorV1 on both roles, or a router of vllm-ascend',
      });
    }
  },
});

export const routerSpeaksConnector = servingRule({
  code: 'TND-115',
  severity: 'warning',
  title: 'The router speaks the protocol of the connector',
  because: 'it refuses requests rather than let decode compute every prompt again without a word',
  source: 'pd-protocols C-4, A.0',
  *check(subject) {
    const spoken = (subject.context.dialects ?? []).join(', ');
    for (const [engine, dialect] of unspoken(subject)) {
      if (dialect === callsBack || engine.side !== 'decode') continue;
      yield finding(pathOf(engine), {
        saw: `${engine.connector?.name ?? 'a connector'} (${dialect})`,
        want: `a connector that speaks one of ${spoken}`,
        fix: 'change the connector of both roles, or use the router of the engine',
      });
    }
  },
});

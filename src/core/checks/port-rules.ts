import { saidNumber } from '../expand/steps/ports.js';
import { countsOfNode } from './device-rules.js';
import { finding } from './finding.js';
import { configOf, integerOf, isAscendMooncake, isNixl, literalOf, numberOf } from './reads.js';
import { type EngineRole, engineRule, instancesOf } from './subject.js';

/** Rules about ports that two engines, or two parts of one, want at once. */

interface Claim {
  readonly name: string;
  readonly first: number;
  readonly count: number;
}

/** What an engine is told to listen on. */
function claimsOf(engine: EngineRole): readonly Claim[] {
  const side = Number(literalOf(engine, 'VLLM_NIXL_SIDE_CHANNEL_PORT'));
  const kvPort = integerOf(configOf(engine, 'kv_port'));
  const claims: readonly (readonly [string, number | undefined, number])[] = [
    ['the API port', engine.engine.port, engine.engine.apiPorts.length],
    ['--data-parallel-rpc-port', numberOf(engine, 'data-parallel-rpc-port'), 1],
    ['--master-port', numberOf(engine, 'master-port'), 1],
    ['kv_port', isAscendMooncake(engine) ? kvPort : undefined, engine.engine.ranksPerPod],
    ['VLLM_NIXL_SIDE_CHANNEL_PORT', isNixl(engine) && side > 0 ? side : undefined, 1],
    ...portsOfConnector(engine),
  ];
  return claims.flatMap(([name, first, count]) => (first === undefined ? [] : [{ name, first, count }]));
}

/** What the pod says about further ports of its connector: a meeting point, a notification. */
function portsOfConnector(engine: EngineRole): readonly (readonly [string, number | undefined, number])[] {
  if (isAscendMooncake(engine) || isNixl(engine)) return [];
  return (engine.connector?.profile?.ports ?? [])
    .filter(({ when }) => when?.side === undefined || when.side === engine.side)
    .map((wish) => {
      const { fromEnv, fromConfig, fromFlag } = wish;
      const name = fromEnv ?? fromConfig?.split('.').at(-1) ?? `--${fromFlag}`;
      return [name, saidNumber(engine, wish), 1];
    });
}

const overlap = (a: Claim, b: Claim): boolean => a.first < b.first + b.count && b.first < a.first + a.count;

const portsOf = ({ container }: EngineRole): readonly number[] =>
  (container.ports ?? []).map(({ containerPort }) => containerPort);

export const hostPortsAreShared = engineRule({
  code: 'TND-027',
  severity: 'error',
  title: 'Pods on the host network cannot meet on one node',
  because: 'two engines on one node want the same ports, and the second one does not start',
  source: 'pd-protocols C-27',
  *check(engine, subject) {
    const total = subject.engines.reduce((sum, other) => sum + instancesOf(other, subject), 0);
    if (engine.spec.hostNetwork !== true || total < 2 || isAlone(engine) === true) return;
    const severity = isAlone(engine) === undefined ? ('warning' as const) : undefined;
    // The scheduler itself keeps declared ports of host-network pods apart.
    if (portsOf(engine).includes(engine.engine.port)) return yield* sharedWithOthers(engine, subject.engines);
    const place = {
      saw: `hostNetwork without port ${engine.engine.port} declared`,
      want: 'ports that the scheduler knows of, or required podAntiAffinity',
      fix: `declare containerPort ${engine.engine.port}, or remove hostNetwork`,
    };
    yield finding(`${engine.containerPath}.ports`, place, severity);
  },
});

/** Two roles with API ports of their own may meet, and then want another port both. Told once, of the later role. */
function* sharedWithOthers(engine: EngineRole, engines: readonly EngineRole[]) {
  for (const other of engines.slice(0, engines.indexOf(engine))) {
    if (other.spec.hostNetwork !== true || isAlone(other) !== false || isAlone(engine) !== false) continue;
    if (portsOf(engine).some((port) => portsOf(other).includes(port))) continue;
    const [mine] = claimsOf(engine).filter((claim) => claimsOf(other).some((one) => overlap(claim, one)));
    if (!mine) continue;
    yield finding(`${engine.containerPath}.ports`, {
      saw: `${mine.name} ${mine.first} on the host network`,
      want: `a port that the role ${other.role.name} does not use, or one that both declare`,
      fix: `choose another port for ${mine.name}, or declare containerPort ${mine.first} in both roles`,
    });
  }
}

/** Whether the pod keeps others off its node; undefined where nodes of two sizes have its devices and none is selected. */
function isAlone(engine: EngineRole): boolean | undefined {
  const { devices, spec } = engine;
  if (hasRequiredAntiAffinity(engine)) return true;
  const known = countsOfNode(devices.profile, spec.nodeSelector);
  if (known) return devices.count >= Math.max(...known);
  if (devices.count < 8) return false;
  return devices.count >= Math.max(8, ...(devices.profile?.allowedCounts ?? [])) ? true : undefined;
}

function hasRequiredAntiAffinity({ spec }: EngineRole): boolean {
  const anti = spec.affinity?.['podAntiAffinity'] as Record<string, unknown> | undefined;
  const required = anti?.['requiredDuringSchedulingIgnoredDuringExecution'];
  return Array.isArray(required) && required.length > 0;
}

export const portsDiffer = engineRule({
  code: 'TND-028',
  severity: 'warning',
  title: 'The ports of one pod differ from each other',
  because: 'the second one to bind fails',
  source: 'pd-protocols C-28',
  *check(engine) {
    const claims = claimsOf(engine);
    for (const [i, claim] of claims.entries()) {
      const other = claims.slice(0, i).find((earlier) => overlap(claim, earlier));
      if (!other) continue;
      const { name, first } = claim;
      const fix = `choose another port for ${name}`;
      yield finding(engine.containerPath, { saw: `${name} ${first}`, want: `a port that is not ${other.name}`, fix });
    }
  },
});

import type { EnvVar } from '../../api/kube.js';
import { isObject } from '../../base/json.js';
import { withoutSlash } from '../../base/path.js';
import { patternOf } from '../reading/pattern.js';
import { listAt, objectAt, textAt } from '../reading/shape.js';
import type { EngineRole } from './subject.js';

/** Small questions to a reading, so that rules read as sentences. Flags are named long, without dashes. */

export const envOf = ({ env }: EngineRole, name: string): EnvVar | undefined => env.get(name);

/** The literal value of a variable; undefined when it is absent or comes from a field, ConfigMap or Secret. */
export const literalOf = (engine: EngineRole, name: string): string | undefined => envOf(engine, name)?.value;

/** Whether a variable may have any value: it comes from a field, ConfigMap or Secret, or `envFrom` may hold it. */
export function isFromElsewhere(engine: EngineRole, name: string): boolean {
  const variable = envOf(engine, name);
  return variable ? variable.valueFrom !== undefined : listAt(engine.container, 'envFrom').length > 0;
}

/** Where the value of a variable comes from that no manifest shows; undefined when it is written out, or nowhere. */
export function sourceOf(engine: EngineRole, name: string): string | undefined {
  const from = envOf(engine, name)?.valueFrom;
  for (const [kind, title] of [
    ['configMapKeyRef', 'ConfigMap'],
    ['secretKeyRef', 'Secret'],
  ] as const) {
    const reference = objectAt(from, kind);
    if (reference) return `${title} ${textAt(reference, 'name') ?? '?'}, key ${textAt(reference, 'key') ?? '?'}`;
  }
  return undefined;
}

/** Field path of a variable, by its name: expansion adds variables before it, so its position is not the user's. */
export const envPath = ({ containerPath }: EngineRole, name: string): string => `${containerPath}.env["${name}"]`;

export function flagOf({ engine }: EngineRole, name: string): string | undefined {
  const value = engine.args.get(name);
  return value === true ? 'true' : value;
}

export function numberOf(engine: EngineRole, name: string): number | undefined {
  const value = flagOf(engine, name);
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
}

/** Field path of an argument's value; of the argument list when it is absent. */
export const flagPath = ({ engine, containerPath }: EngineRole, name: string): string =>
  engine.argPaths.get(name) ?? `${containerPath}.args`;

/** What the engine calls its tensor parallelism on the command line. */
export const tensorParallelFlag = ({ engine }: EngineRole): string =>
  engine.profile.flags.tensorParallel ?? 'tensor-parallel-size';

/** A flag whose value is JSON; undefined when it is absent or not an object. */
export function jsonFlag(engine: EngineRole, name: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(flagOf(engine, name) ?? 'null');
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // not JSON is not a reading; the engine itself says so
  }
}

/** A member of the connector's configuration, or of its `kv_connector_extra_config`. */
export const configOf = (engine: EngineRole, member: string): unknown => engine.connector?.own?.[member];
export function extraOf(engine: EngineRole, member: string): unknown {
  const extra = configOf(engine, 'kv_connector_extra_config');
  return isObject(extra) ? extra[member] : undefined;
}

/** A whole number written as a number or as text; undefined when it is neither. */
export function integerOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined;
}

/** Connectors by what they need of each other (pd-protocols A and B): the family that their profile names, else its name. */
const isOfFamily =
  (family: string) =>
  ({ connector }: EngineRole): boolean =>
    connector?.profile !== undefined && (connector.profile.family ?? connector.profile.name) === family;
export const isNixl = isOfFamily('nixl');
export const isAscendMooncake = isOfFamily('ascend-mooncake');
export const isUpstreamMooncake = isOfFamily('mooncake');
export const isSglangMooncake = isOfFamily('sglang-mooncake');
export const isP2pNccl = isOfFamily('p2p-nccl');
export const isLmcachePd = isOfFamily('lmcache-pd');
export const isOffloading = isOfFamily('offloading');
export const isHashKeyed = ({ connector }: EngineRole): boolean =>
  connector?.parts.some(({ hashKeyed }) => hashKeyed) ?? false;
export const isSglang = ({ engine }: EngineRole): boolean => engine.profile.family === 'sglang';
export const isAscend = ({ engine }: EngineRole): boolean => engine.profile.name === 'vllm-ascend';

/** Whether all KV heads of the model are one, so that its KV is the same on every tensor-parallel rank. Known by its name only. */
export const isMla = ({ engine, profiles }: EngineRole): boolean => {
  const names = [engine.model ?? '', ...engine.servedNames].join(' ').toLowerCase();
  return profiles.models.some((models) => models.names.some((name) => patternOf(name).test(names)));
};

/** Extended resources of the engine container that are network cards, by the profiles. */
export const networkCardsOf = ({ container, profiles }: EngineRole): readonly string[] => {
  const { requests, limits } = container.resources ?? {};
  return Object.keys({ ...requests, ...limits }).filter((resource) =>
    profiles.networks.some(({ resourcePatterns }) => resourcePatterns.some((name) => patternOf(name).test(resource))),
  );
};
export const usesNetworkCard = (engine: EngineRole): boolean => networkCardsOf(engine).length > 0;

/** True, false, or undefined when the version is unknown: whether the engine is at least `major.minor`. */
export function isAtLeast(version: string | undefined, major: number, minor: number): boolean | undefined {
  const match = /^v?(\d+)\.(\d+)/.exec(version ?? '');
  if (!match) return undefined;
  const [a, b] = [Number(match[1]), Number(match[2])];
  return a > major || (a === major && b >= minor);
}

/** Volume mounts of the engine container and init containers' shared paths, longest first. */
export const isMounted = ({ container }: Pick<EngineRole, 'container'>, path: string): boolean =>
  (container.volumeMounts ?? []).some(({ mountPath }) => {
    const mount = withoutSlash(mountPath);
    return path === mount || path.startsWith(`${mount}/`);
  });

export const loopbackOrAny = (host: string): boolean =>
  host === '' || /^(localhost|127\..*|0\.0\.0\.0|::1?|\[::1?\])$/i.test(host);
export const isIpLiteral = (value: string): boolean =>
  /^\d{1,3}(\.\d{1,3}){3}$/.test(value) || /^\[?[0-9a-f]*:[0-9a-f:]+\]?$/i.test(value);

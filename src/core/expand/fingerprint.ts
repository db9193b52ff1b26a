import { createHash } from 'node:crypto';
import { canonicalJson } from '../../base/json.js';
import { textAt, valueAt } from '../reading/shape.js';
import type { EngineReading, PodReading } from '../reading/types.js';

/**
 * 16 hex digits over everything that must agree between a prefill and a decode engine: engine and image, model as
 * written, what the engine profile compares, the connector with what its profile compares, and the tensor-parallel size
 * where the connector wants it equal. Undefined for a pod that moves no KV.
 */
export function kvFingerprint(reading: PodReading): string | undefined {
  const { engine, connector, container } = reading;
  if (connector === undefined) return undefined;
  const profile = connector.profile;
  const agreed = {
    engine: engine.profile.name,
    image: textAt(container, 'image') ?? '',
    model: engine.model,
    flags: Object.fromEntries(engine.profile.agree.map((entry) => stated(engine, entry))),
    connector: profile?.name ?? connector.name,
    config: Object.fromEntries((profile?.agree ?? []).map((path) => [path, valueAt(connector.own, path)])),
    tensorParallel: profile?.tensorParallel === 'equal' ? engine.tensorParallel : undefined,
  };
  return createHash('sha256').update(canonicalJson(agreed)).digest('hex').slice(0, 16);
}

/** `flag` or `flag=default`, with what the engine is told beyond its default. */
function stated({ args }: EngineReading, entry: string): [string, string | true | undefined] {
  const [flag = '', usual] = entry.split('=', 2);
  const value = args.get(flag);
  return [flag, value === usual ? undefined : value];
}

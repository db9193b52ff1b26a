import { describeError } from '../../base/errors.js';
import { isObject } from '../../base/json.js';
import type { ConnectorProfile, EngineProfile, Profiles } from '../profiles/types.js';
import { listAt, objectAt, textAt, valueAt } from './shape.js';
import type { ConnectorReading, EngineReading, Side } from './types.js';

/** How KV moves, from the KV-transfer configuration or, for SGLang, from the disaggregation flags. Undefined: it does not. */
export function readConnector(engine: EngineReading, profiles: Profiles): ConnectorReading | undefined {
  const { kvTransferConfig, side } = engine.profile.flags;
  if (kvTransferConfig !== undefined) return fromConfig(engine, kvTransferConfig, profiles);
  return side === undefined ? undefined : fromFlags(engine, side, profiles);
}

/** The side that the connector is configured for; undefined when it leaves that open (`kv_both`, no connector). */
export function sideOf(engine: EngineReading, connector: ConnectorReading | undefined): Side | undefined {
  const flag = engine.profile.flags.side;
  const said = flag === undefined ? connector?.role : engine.args.get(flag);
  if (said === 'kv_producer' || said === 'prefill') return 'prefill';
  if (said === 'kv_consumer' || said === 'decode') return 'decode';
  return undefined;
}

const nothingRead = { profile: undefined, parts: [], name: '', role: undefined, config: undefined, own: undefined };

function fromConfig(engine: EngineReading, flag: string, profiles: Profiles): ConnectorReading | undefined {
  const dotted = dottedConfig(engine, flag);
  const text = engine.args.get(flag);
  if (text === undefined && dotted === undefined) return undefined;
  const path =
    engine.argPaths.get(flag) ?? [...engine.argPaths].find(([name]) => name.startsWith(`${flag}.`))?.[1] ?? '';
  const parsed = dotted ?? parse(text);
  if (typeof parsed === 'string') {
    return { ...nothingRead, error: parsed, path };
  }
  const own = unwrapped(parsed, profiles);
  const name = nameOf(own);
  const role = textAt(own, 'kv_role') ?? textAt(parsed, 'kv_role');
  const profile = connectorFor(name, own, engine.profile, profiles);
  const inside = insideOf(parsed).map((one) => connectorFor(nameOf(one), one, engine.profile, profiles));
  return {
    profile,
    parts: [...new Set([profile, ...inside])].filter((part) => part !== undefined),
    name,
    role,
    config: parsed,
    own,
    error: undefined,
    path,
  };
}

function fromFlags(engine: EngineReading, side: string, profiles: Profiles): ConnectorReading | undefined {
  const mode = engine.args.get(side);
  if (mode !== 'prefill' && mode !== 'decode') return undefined;
  const { backend = '', backendDefault = '' } = engine.profile.flags;
  const said = engine.args.get(backend);
  const name = typeof said === 'string' ? said : backendDefault;
  const profile = profiles.connectors.find(
    ({ backends = [], engines }) => engines.includes(engine.profile.name) && backends.includes(name),
  );
  const path = engine.argPaths.get(backend) ?? engine.argPaths.get(side) ?? '';
  const parts = profile ? [profile] : [];
  return { profile, parts, name, role: mode, config: undefined, own: undefined, error: undefined, path };
}

/** The object, or what is wrong with the text. */
function parse(text: string | true | undefined): Record<string, unknown> | string {
  if (typeof text !== 'string') return 'the flag has no value';
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : 'not a JSON object';
  } catch (error) {
    return describeError(error);
  }
}

/** `--kv-transfer-config.kv_role kv_producer`: vLLM accepts each member as a flag of its own. */
function dottedConfig(engine: EngineReading, flag: string): Record<string, unknown> | undefined {
  const members = [...engine.args].filter(([name]) => name.startsWith(`${flag}.`));
  if (members.length === 0) return undefined;
  const config: Record<string, unknown> = {};
  for (const [name, value] of members) assign(config, name.slice(flag.length + 1).split('.'), value);
  return config;
}

function assign(config: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (key === '__proto__') return;
  if (rest.length === 0) {
    config[key] = value;
    return;
  }
  const inner = isObject(config[key]) ? config[key] : {};
  config[key] = inner;
  assign(inner, rest, value);
}

/** The first connector inside a MultiConnector whose profile moves KV between two engines; else the first known one, else the first. */
function unwrapped(config: Record<string, unknown>, profiles: Profiles): Record<string, unknown> {
  const inner = insideOf(config);
  const profileOf = (own: Record<string, unknown>) => connectorFor(nameOf(own), own, undefined, profiles);
  return inner.find((own) => isPeerToPeer(profileOf(own))) ?? inner.find((own) => profileOf(own)) ?? inner[0] ?? config;
}

const nameOf = (config: Record<string, unknown>): string => textAt(config, 'kv_connector') ?? '';

/** The connectors inside a MultiConnector; none in another. */
const insideOf = (config: Record<string, unknown>): readonly Record<string, unknown>[] =>
  nameOf(config) === 'MultiConnector'
    ? listAt(objectAt(config, 'kv_connector_extra_config'), 'connectors').filter(isObject)
    : [];

const isPeerToPeer = (profile: ConnectorProfile | undefined): boolean =>
  profile !== undefined && profile.dialect !== 'two-step';

function connectorFor(
  name: string,
  own: Record<string, unknown>,
  engine: EngineProfile | undefined,
  profiles: Profiles,
): ConnectorProfile | undefined {
  const fits = profiles.connectors.filter(
    ({ connectors, onlyWith = [] }) =>
      connectors.includes(name) && onlyWith.every((path) => valueAt(own, path) !== undefined),
  );
  const specific = fits.filter(({ onlyWith }) => onlyWith !== undefined);
  const candidates = specific.length > 0 ? specific : fits;
  return candidates.find(({ engines }) => engine === undefined || engines.includes(engine.name)) ?? candidates[0];
}

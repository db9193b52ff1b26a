import { env as controllerEnv } from '../../api/names.js';
import { asText, isObject } from '../../base/json.js';
import { referencesIn } from '../reading/command-line.js';
import { finding } from './finding.js';
import {
  configOf,
  envOf,
  envPath,
  extraOf,
  flagOf,
  flagPath,
  integerOf,
  isAscend,
  isAscendMooncake,
  isAtLeast,
  isFromElsewhere,
  isUpstreamMooncake,
} from './reads.js';
import { type EngineRole, engineRule, pairRule, servingRule } from './subject.js';

const connectorPath = ({ connector, containerPath }: EngineRole): string => connector?.path ?? `${containerPath}.args`;

export const sameConnector = pairRule({
  code: 'TND-001',
  severity: 'error',
  title: 'Prefill and decode use the same KV connector',
  because: 'engines with different connectors cannot hand over KV: decode waits, fails, or computes the prompt again',
  source: 'pd-protocols C-1',
  *check({ prefill, decode }) {
    const [p, d] = [prefill.connector?.name, decode.connector?.name];
    if (p === d) return;
    yield finding(connectorPath(decode), {
      saw: d,
      want: `${p ?? 'no connector'}, as on prefill`,
      fix: `give both roles the same kv_connector in --kv-transfer-config`,
    });
  },
});

/** What a role may say by its name; a role that is called neither prefill nor decode may be any. */
function kvRolesOf(role: string): readonly string[] {
  if (/^prefill/i.test(role)) return ['kv_producer', 'kv_both'];
  return /^decode/i.test(role) ? ['kv_consumer', 'kv_both'] : ['kv_producer', 'kv_consumer', 'kv_both'];
}

export const roleFitsSide = engineRule({
  code: 'TND-002',
  severity: 'error',
  title: 'kv_role says what the role does',
  because: 'vLLM does not start with a connector and no kv_role, and Mooncake stops on the wrong one',
  source: 'pd-protocols C-2',
  *check(engine) {
    const { connector, role } = engine;
    if (!connector?.config) return;
    const fits = kvRolesOf(role.name);
    if (connector.role !== undefined && fits.includes(connector.role)) return;
    yield finding(connectorPath(engine), {
      saw: connector.role,
      want: `${fits.join(' or ')} for the role ${role.name}`,
      fix: `set "kv_role" in --kv-transfer-config`,
    });
  },
});

export const bothSidesPresent = servingRule({
  code: 'TND-020',
  severity: 'warning',
  title: 'A disaggregated serving has one prefill and one decode role',
  because: 'a role without a partner gets no traffic',
  source: 'pd-protocols C-20',
  *check({ engines, serving }) {
    const count = (side: string) => engines.filter((engine) => engine.side === side).length;
    const [prefill, decode] = [count('prefill'), count('decode')];
    if (prefill + decode === 0 || (prefill === 1 && decode === 1)) return;
    yield finding('spec.template.roles', {
      saw: `${prefill} prefill and ${decode} decode roles`,
      want: 'one of each',
      fix: `check kv_role of every role of ${serving.metadata.name ?? 'the serving'}`,
    });
  },
});

export const splitRolesForMooncake = engineRule({
  code: 'TND-003',
  severity: 'warning',
  title: 'Mooncake connectors get a pure role',
  because: 'they skip the work of the other role, and the recompute scheduler needs a pure consumer',
  source: 'pd-protocols C-3',
  *check(engine) {
    if (engine.connector?.role !== 'kv_both' || !(isAscendMooncake(engine) || isUpstreamMooncake(engine))) return;
    if (engine.side === 'aggregated') return;
    const want = engine.side === 'prefill' ? 'kv_producer' : 'kv_consumer';
    yield finding(connectorPath(engine), { saw: 'kv_both', want, fix: `set "kv_role": "${want}"` });
  },
});

const extraConfigIsChecked = { major: 0, minor: 12 };

export const sizesMatchArguments = engineRule({
  code: 'TND-015',
  severity: 'error',
  title: 'The sizes in kv_connector_extra_config are those of the arguments',
  because: 'vllm-ascend stops with "conflicting data parallel size", and an older one maps ranks wrongly',
  source: 'pd-protocols C-15',
  *check(engine, { engines }) {
    if (!isAscendMooncake(engine)) return;
    const { major, minor } = extraConfigIsChecked;
    const severity = isAtLeast(engine.engine.version, major, minor) === true ? 'error' : 'warning';
    for (const side of ['prefill', 'decode'] as const) {
      const said = extraOf(engine, side);
      const meant = engines.find((other) => other.side === side);
      if (!isObject(said)) {
        yield finding(
          connectorPath(engine),
          { saw: said, want: `${side}: {"tp_size", "dp_size"}`, fix: `add "${side}" to kv_connector_extra_config` },
          severity,
        );
      } else if (meant && meant.engine.reading !== 'opaque') {
        yield* sizesOf(engine, side, said, meant, severity);
      }
    }
    yield* differingSizes(engine, engines, severity);
  },
});

/** Both sides are told the same about each of them, further members such as pp_size too. Told once, of decode. */
function* differingSizes(engine: EngineRole, engines: readonly EngineRole[], severity: 'error' | 'warning') {
  const prefill = engines.find((other) => other.side === 'prefill');
  if (engine.side !== 'decode' || !prefill) return;
  for (const side of ['prefill', 'decode'] as const) {
    const [p, d] = [prefill, engine].map((one) => extraOf(one, side));
    if (!isObject(p) || !isObject(d)) continue;
    const names = [...new Set([...Object.keys(p), ...Object.keys(d)])].filter((name) => !/^(tp|dp)_size$/.test(name));
    const usual = (name: string) => (name === 'pp_size' ? 1 : undefined);
    for (const name of names.filter((one) => asText(p[one] ?? usual(one)) !== asText(d[one] ?? usual(one)))) {
      const said = (value: unknown) => (value === undefined ? 'absent' : asText(value));
      const place = {
        saw: `${side}.${name} ${said(d[name])}`,
        want: `${said(p[name])}, as in the configuration of prefill`,
        fix: `write the same ${side}.${name} into both kv_connector_extra_config`,
      };
      yield finding(connectorPath(engine), place, severity);
    }
  }
}

function* sizesOf(
  engine: EngineRole,
  side: string,
  said: Record<string, unknown>,
  meant: EngineRole,
  severity: 'error' | 'warning',
) {
  const sizes = [
    ['tp_size', meant.engine.tensorParallel, '--tensor-parallel-size'],
    ['dp_size', meant.engine.dataParallel, '--data-parallel-size'],
  ] as const;
  for (const [name, actual, flag] of sizes) {
    if (integerOf(said[name]) === actual) continue;
    yield finding(
      connectorPath(engine),
      {
        saw: `${side}.${name} ${said[name] === undefined ? 'absent' : asText(said[name])}`,
        want: `${actual}, as ${flag} of the role ${meant.role.name}${meant.engine.args.has(flag.slice(2)) ? '' : ' (absent means 1)'}`,
        fix: `set ${side}.${name} to ${actual}, or pass ${flag} to ${meant.role.name}`,
      },
      severity,
    );
  }
}

const configKeys = [
  'kv_connector',
  'engine_id',
  'kv_buffer_device',
  'kv_buffer_size',
  'kv_role',
  'kv_rank',
  'kv_parallel_size',
  'kv_ip',
  'kv_port',
  'kv_connector_extra_config',
  'kv_connector_module_path',
  'kv_load_failure_policy',
  'enable_permute_local_kv',
];

export const configReads = engineRule({
  code: 'TND-017',
  severity: 'error',
  title: 'kv-transfer-config is what the engine can read',
  because: 'the engine stops at start-up on anything else',
  source: 'pd-protocols C-17',
  *check(engine) {
    const { connector } = engine;
    if (!connector) return;
    const path = connectorPath(engine);
    if (connector.error !== undefined) {
      yield finding(path, {
        saw: connector.error,
        want: 'one JSON object',
        fix: 'correct the JSON of --kv-transfer-config',
      });
      return;
    }
    for (const key of Object.keys(connector.config ?? {}).filter((name) => !configKeys.includes(name))) {
      const fix = `remove "${key}", or move it into kv_connector_extra_config`;
      yield finding(path, { saw: key, want: 'a member of KVTransferConfig', fix });
    }
    const port = configOf(engine, 'kv_port');
    const number = integerOf(port);
    if (port !== undefined && (number === undefined || number < 1024 || number > 65535)) {
      yield finding(path, { saw: port, want: 'an integer from 1024 to 65535', fix: 'correct "kv_port"' });
    }
  },
});

const movedModules = /^vllm_ascend\.distributed\.(mooncake_connector|llmdatadist\w*|mooncake_layerwise_connector)$/;

export const modulePathExists = engineRule({
  code: 'TND-018',
  severity: 'warning',
  title: 'kv_connector_module_path names a module that the image has',
  because: 'the module has moved, and importing it fails at start-up',
  source: 'pd-protocols C-18',
  *check(engine) {
    const path = configOf(engine, 'kv_connector_module_path');
    if (typeof path !== 'string' || !movedModules.test(path)) return;
    if (isAtLeast(engine.engine.version, 0, 11) === false) return;
    yield finding(connectorPath(engine), {
      saw: path,
      want: 'no module path: the connector is registered by name',
      fix: 'remove "kv_connector_module_path"',
    });
  },
});

const references = /\$(?:\((\w+)\)|\{(\w+)\}|(\w+))/g;
const fromController: readonly string[] = Object.values(controllerEnv);

export const variablesExpand = engineRule({
  code: 'TND-019',
  severity: 'error',
  title: 'Variables in kv-transfer-config are expanded by someone',
  because: 'Kubernetes expands only $(NAME) of a variable that the container has; anything else stays as literal text',
  source: 'pd-protocols C-19',
  *check(engine) {
    const text = JSON.stringify(engine.connector?.config ?? {});
    for (const [whole, known, ...shell] of text.matchAll(references)) {
      const name = known ?? shell.find((part) => part !== undefined) ?? '';
      if (known !== undefined && (isSet(engine, known) || fromController.includes(known))) continue;
      yield finding(connectorPath(engine), {
        saw: whole,
        want: `$(${name}) with ${name} in env`,
        fix: known === undefined ? `write $(${name}) and define ${name}` : `define ${name} in env`,
      });
    }
    yield* definedTooLate(engine);
  },
});

const isSet = (engine: EngineRole, name: string): boolean =>
  envOf(engine, name) !== undefined || isFromElsewhere(engine, name);

/** A variable sees only those before it in its list. */
function* definedTooLate(engine: EngineRole) {
  const defined = new Set<string>(fromController);
  for (const { name, value } of engine.env.values()) {
    for (const later of referencesIn(value ?? '')) {
      if (defined.has(later) || envOf(engine, later) === undefined) continue;
      const fix = `move ${later} before ${name}`;
      yield finding(envPath(engine, name), { saw: value, want: `${later} defined earlier in env`, fix });
    }
    defined.add(name);
  }
}

export const recomputeOnlyOnDecode = engineRule({
  code: 'TND-074',
  severity: 'error',
  title: 'recompute_scheduler_enable stands on decode alone',
  because: 'vllm-ascend stops with kv_both or without a KV configuration, and ignores it on a producer',
  source: 'pd-protocols C-74',
  *check(engine) {
    const enabled = /"recompute_scheduler_enable"\s*:\s*true/i.test(flagOf(engine, 'additional-config') ?? '');
    if (!enabled || !isAscend(engine) || engine.connector?.role === 'kv_consumer') return;
    yield finding(
      flagPath(engine, 'additional-config'),
      {
        saw: engine.connector?.role,
        want: 'kv_role kv_consumer',
        fix: 'remove it here, or set "kv_role": "kv_consumer"',
      },
      engine.connector?.role === 'kv_producer' ? 'warning' : 'error',
    );
  },
});

import type { Probe } from '../../api/kube.js';
import { withoutSlash } from '../../base/path.js';
import { finding } from './finding.js';
import {
  configOf,
  extraOf,
  flagOf,
  flagPath,
  integerOf,
  isAtLeast,
  isNixl,
  isSglang,
  literalOf,
  numberOf,
} from './reads.js';
import { type EngineRole, engineRule, servingRule } from './subject.js';

const smallest = 600;

/** Seconds that loading may take by the number of parameters in the model's name, 600 when it names none. */
function sizeBudget({ engine }: EngineRole): number {
  const sizes = `${engine.model ?? ''} ${engine.servedNames.join(' ')}`.matchAll(/(?<![\d.a-z])(\d+(?:\.\d+)?)b\b/gi);
  const billions = Math.max(0, ...[...sizes].map(([, size]) => Number(size)));
  if (billions >= 200) return 3600;
  return billions >= 30 ? 1800 : smallest;
}

const graphSeconds = 1800;
const withoutGraphs = ['enforce-eager', 'disable-cuda-graph'] as const;

/** Seconds that loading may take; an NPU compiles its graphs after the weights are there, whatever the model. */
export function loadBudget(engine: EngineRole): number {
  const compiles =
    engine.devices.profile?.vendor === 'huawei' && withoutGraphs.every((flag) => flagOf(engine, flag) === undefined);
  return Math.max(sizeBudget(engine), compiles ? graphSeconds : 0);
}

const budgetOf = ({ initialDelaySeconds = 0, periodSeconds = 10, failureThreshold = 3 }: Probe): number =>
  initialDelaySeconds + periodSeconds * failureThreshold;

export const loadingIsNotKilled = engineRule({
  code: 'TND-062',
  severity: 'error',
  title: 'A liveness probe waits until the model is loaded',
  because: 'the kubelet kills the engine while it loads, again and again',
  source: 'pd-protocols C-62',
  *check(engine) {
    const { livenessProbe, startupProbe } = engine.container;
    if (!livenessProbe || startupProbe) return;
    const [has, needs] = [budgetOf(livenessProbe), loadBudget(engine)];
    if (has >= needs) return;
    yield finding(`${engine.containerPath}.livenessProbe`, {
      saw: `${has} s until the first kill, no startupProbe`,
      want: `${needs} s`,
      fix: `add a startupProbe with periodSeconds 10 and failureThreshold ${Math.ceil(needs / 10)}`,
    });
  },
});

export const startupTakesLongEnough = engineRule({
  code: 'TND-063',
  severity: 'warning',
  title: 'The startup probe waits until the model is loaded, and no longer than the engine itself',
  because: 'the shorter of two limits decides, and it is not the one that was meant',
  source: 'pd-protocols C-63',
  *check(engine) {
    const { startupProbe } = engine.container;
    if (!startupProbe) return;
    const [has, needs] = [budgetOf(startupProbe), loadBudget(engine)];
    const path = `${engine.containerPath}.startupProbe`;
    if (has < needs) {
      const { periodSeconds = 10 } = startupProbe;
      yield finding(path, {
        saw: `${has} s`,
        want: `${needs} s`,
        fix: `raise failureThreshold to ${Math.ceil(needs / periodSeconds)}`,
      });
    }
    const ready = Number(literalOf(engine, 'VLLM_ENGINE_READY_TIMEOUT_S') ?? Number.NaN);
    if (has > ready) {
      const fix = `raise VLLM_ENGINE_READY_TIMEOUT_S to ${has}`;
      yield finding(path, { saw: `${has} s`, want: `at most VLLM_ENGINE_READY_TIMEOUT_S ${ready}`, fix });
    }
  },
});

const kinds = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const;

export const probesAskTheEngine = engineRule({
  code: 'TND-064',
  severity: 'warning',
  title: 'The probes of the engine container ask the engine',
  because: 'the answer of something else says nothing about the engine',
  source: 'pd-protocols C-64',
  *check(engine) {
    for (const kind of kinds) {
      const { where, port } = askedPort(engine, kind);
      if (port === undefined) continue;
      if (numberOfPort(engine, port) === engine.engine.port) {
        yield* unknownPath(engine, kind);
        continue;
      }
      yield finding(`${engine.containerPath}.${kind}.${where}.port`, {
        saw: port,
        want: `${engine.engine.port}, the port of the engine`,
        fix: `set the port to ${engine.engine.port}`,
      });
    }
  },
});

/** A path that the engine does not have is answered 404, which a probe takes for a broken engine. */
function* unknownPath(engine: EngineRole, kind: (typeof kinds)[number]) {
  const { path, alsoAnswers = [] } = engine.engine.profile.probes;
  const { httpGet } = engine.container[kind] ?? {};
  if (!httpGet) return;
  const asked = httpGet.path ?? '/';
  const plain = withoutSlash(asked.split('?')[0] ?? '');
  if (plain === path || alsoAnswers.includes(plain) || flagOf(engine, 'root-path') !== undefined) return;
  yield finding(`${engine.containerPath}.${kind}.httpGet.path`, {
    saw: asked,
    want: `${path}, or ${alsoAnswers.join(', ')}`,
    fix: `set the path to ${path}`,
  });
}

function askedPort({ container }: EngineRole, kind: (typeof kinds)[number]) {
  const { httpGet, tcpSocket } = container[kind] ?? {};
  return httpGet ? { where: 'httpGet', port: httpGet.port } : { where: 'tcpSocket', port: tcpSocket?.port };
}

/** A port may be named after one of the container's ports. */
const numberOfPort = ({ container }: EngineRole, port: number | string): number =>
  (container.ports ?? []).find(({ name }) => name === port)?.containerPort ?? Number(port);

function preStopSeconds({ container }: EngineRole): number {
  const { sleep, exec } = container.lifecycle?.preStop ?? {};
  const slept = /\bsleep\s+(\d+)/.exec(exec?.command?.join(' ') ?? '')?.[1];
  return sleep?.seconds ?? Number(slept ?? 0);
}

export const graceCoversShutdown = engineRule({
  code: 'TND-068',
  severity: 'warning',
  title: 'The grace period covers preStop and shutdown',
  because: 'the kubelet kills what still runs after it, with the KV that others wait for',
  source: 'pd-protocols C-68',
  *check(engine) {
    const shutdown = numberOf(engine, 'shutdown-timeout') ?? 0;
    const slept = preStopSeconds(engine);
    const grace = engine.spec.terminationGracePeriodSeconds ?? 30;
    const needs = slept + shutdown + 15;
    if ((slept === 0 && shutdown === 0) || grace >= needs) return;
    yield finding(`${engine.path}.terminationGracePeriodSeconds`, {
      saw: grace,
      want: `${needs} or more: ${slept} preStop, ${shutdown} shutdown, 15 to spare`,
      fix: `set terminationGracePeriodSeconds to ${needs}`,
    });
  },
});

/** Seconds that KV waits for decode: as written, or what versions with a lease take; undefined where there is none. */
function leaseOf(engine: EngineRole): number | undefined {
  const written = integerOf(extraOf(engine, 'kv_lease_duration'));
  return written ?? (isAtLeast(engine.engine.version, 0, 22) === true ? 30 : undefined);
}

export const preStopCoversLease = engineRule({
  code: 'TND-124',
  severity: 'warning',
  title: 'Prefill stays until its last KV is fetched (NIXL)',
  because:
    'KV of requests that decode has not fetched yet ends with the engine, and the engine itself does not wait for it',
  source: 'pd-protocols C-68, A.1.2',
  *check(engine) {
    const [slept, lease] = [preStopSeconds(engine), leaseOf(engine)];
    // Without a sleep of its own the pod gets the hook that waits until all KV is fetched.
    if (!isNixl(engine) || engine.side !== 'prefill' || slept === 0 || lease === undefined || slept >= lease) return;
    yield finding(`${engine.containerPath}.lifecycle.preStop`, {
      saw: `${slept} s of sleep`,
      want: `${lease} s, as long as KV waits for decode`,
      fix: `sleep ${lease} s and raise terminationGracePeriodSeconds as much, or remove preStop and Tandem adds one`,
    });
  },
});

export const restartTakesLongEnough = servingRule({
  code: 'TND-125',
  severity: 'warning',
  title: 'An engine that is started again has time to load a large model',
  because: 'its pod is deleted when the grace is over, in the middle of loading, and all of it begins anew',
  source: 'pd-protocols C-63; kthena-workload 3.4',
  *check({ serving, engines }) {
    const grace = serving.spec.template.restartGracePeriodSeconds ?? 0;
    const needs = Math.max(0, ...engines.filter(({ engine }) => engine.reading !== 'opaque').map(sizeBudget));
    // A model whose name tells no size may well be there within any grace.
    if (grace <= 0 || grace >= needs || needs <= smallest) return;
    yield finding('spec.template.restartGracePeriodSeconds', {
      saw: grace,
      want: `${needs}, or 0`,
      fix: `set it to ${needs}, or to 0, which replaces a broken pod at once`,
    });
  },
});

export const gangHasBothSides = servingRule({
  code: 'TND-069',
  severity: 'warning',
  title: 'A gang holds prefill and decode',
  because: 'half a service is scheduled and waits for the other half',
  source: 'pd-protocols C-69',
  *check({ serving, engines }) {
    const minimum = serving.spec.template.gangPolicy?.minRoleReplicas;
    if (!minimum) return;
    for (const { role, side } of engines) {
      if (side === 'aggregated' || (minimum[role.name] ?? 0) > 0) continue;
      const path = 'spec.template.gangPolicy.minRoleReplicas';
      yield finding(path, { saw: undefined, want: `${role.name}: 1`, fix: `add ${role.name}` });
    }
  },
});

export const decodeForgetsRestartedPrefill = servingRule({
  code: 'TND-070',
  severity: 'warning',
  title: 'Decode is restarted with its prefill (NIXL)',
  because: 'decode keeps the agent of the dead engine for up to an hour, and may crash on it',
  source: 'pd-protocols C-70',
  *check({ serving, engines }) {
    const policy = serving.spec.recoveryPolicy ?? 'RoleRecreate';
    if (policy === 'ServingGroupRecreate' || !engines.some((engine) => isNixl(engine) && engine.side === 'prefill'))
      return;
    const fix = 'set recoveryPolicy to ServingGroupRecreate';
    yield finding('spec.recoveryPolicy', { saw: policy, want: 'ServingGroupRecreate', fix });
  },
});

export const loadFailureIsVisible = engineRule({
  code: 'TND-075',
  severity: 'warning',
  title: 'A failed KV transfer is not hidden',
  because: 'decode computes the whole prompt itself, seconds late, and nothing says so',
  source: 'pd-protocols C-75',
  *check(engine) {
    if (engine.side === 'prefill' || configOf(engine, 'kv_load_failure_policy') !== 'recompute') return;
    yield finding(engine.connector?.path ?? engine.containerPath, {
      saw: 'kv_load_failure_policy recompute',
      want: 'fail: the router tries another pair',
      fix: 'remove "kv_load_failure_policy", and use tandem.dev/fallback on the ModelServer where recomputing is wanted',
    });
  },
});

export const leaseFitsQueue = engineRule({
  code: 'TND-076',
  severity: 'warning',
  title: 'KV is held as long as decode may queue, and not much longer',
  because: 'expired KV is read as another text, and KV held for minutes fills the prefill engine',
  source: 'pd-protocols C-76',
  *check(engine) {
    const lease = integerOf(extraOf(engine, 'kv_lease_duration'));
    if (!isNixl(engine) || lease === undefined || (lease >= 20 && lease <= 600)) return;
    yield finding(engine.connector?.path ?? engine.containerPath, {
      saw: `kv_lease_duration ${lease} s`,
      want: '20 to 600 s',
      fix: 'set "kv_lease_duration" to the longest wait of decode',
    });
  },
});

export const sglangReclaims = engineRule({
  code: 'TND-077',
  severity: 'warning',
  title: 'SGLang reclaims KV that nobody fetched',
  because: 'its nixl backend has no time limit on the prefill side, so stranded KV stays until a restart',
  source: 'pd-protocols C-77',
  *check(engine) {
    if (!isSglang(engine) || engine.connector?.name !== 'nixl' || engine.side !== 'prefill') return;
    const flag = 'disaggregation-transfer-backend';
    yield finding(flagPath(engine, flag), {
      saw: 'nixl',
      want: 'mooncake',
      fix: `pass --${flag} mooncake to both roles`,
    });
  },
});

import { asText } from '../../base/json.js';
import { finding } from './finding.js';
import {
  configOf,
  envOf,
  envPath,
  flagOf,
  integerOf,
  isAscend,
  isAscendMooncake,
  isAtLeast,
  isFromElsewhere,
  isIpLiteral,
  isNixl,
  literalOf,
  loopbackOrAny,
} from './reads.js';
import { type EngineRole, engineRule, instancesOf, pairRule } from './subject.js';

/** Rules about what makes one pod distinguishable from another: addresses, ports, engine ids. */

const sideChannel = 'VLLM_NIXL_SIDE_CHANNEL_HOST';
const configPath = ({ connector, containerPath }: EngineRole): string => connector?.path ?? `${containerPath}.args`;

export const sideChannelIsReachable = engineRule({
  code: 'TND-024',
  // A warning, not an error: our router replaces an unusable remote_host by the address of the prefill pod.
  severity: 'warning',
  title: 'A NIXL engine advertises its own address',
  because: 'decode dials what prefill advertises; with another router than ours it dials itself',
  source: 'pd-protocols C-24',
  *check(engine) {
    const variable = envOf(engine, sideChannel);
    if (!isNixl(engine) || variable?.valueFrom !== undefined) return;
    if (variable?.value !== undefined && !loopbackOrAny(variable.value)) return;
    yield finding(envPath(engine, sideChannel), {
      saw: variable?.value ?? 'nothing, which means localhost',
      want: 'the pod IP',
      fix: `set ${sideChannel} to $(POD_IP), or remove it and Tandem adds it`,
    });
  },
});

export const sideChannelIsOwn = engineRule({
  code: 'TND-025',
  severity: 'error',
  title: 'Replicas do not share one advertised address',
  because: 'all replicas advertise the same address, and KV is pulled from the wrong one',
  source: 'pd-protocols C-25',
  *check(engine, subject) {
    const host = literalOf(engine, sideChannel);
    if (!isNixl(engine) || host === undefined || loopbackOrAny(host) || host.includes('$(')) return;
    const instances = instancesOf(engine, subject);
    if (instances < 2) return;
    const fix = `set ${sideChannel} to $(POD_IP)`;
    yield finding(envPath(engine, sideChannel), {
      saw: `${host} for ${instances} pods`,
      want: 'the address of each pod',
      fix,
    });
  },
});

const transportStart = 20_000;
const portsPerDevice = 1_000;

export const portAvoidsTransport = engineRule({
  code: 'TND-026',
  severity: 'warning',
  title: "kv_port lies outside the transport's random range",
  because: 'the transport takes random ports there, so the KV thread now and then finds its own taken',
  source: 'pd-protocols C-26; vllm-ascend issues 6455, 8938',
  *check(engine) {
    const port = integerOf(configOf(engine, 'kv_port'));
    if (!isAscendMooncake(engine) || port === undefined) return;
    const ranks = engine.engine.ranksPerPod;
    // The range grows with the NPUs of the node, of which there are 8 or 16.
    const node = Math.max(engine.devices.count, ranks) > 8 ? 16 : 8;
    const end = transportStart + portsPerDevice * node;
    if (port + ranks <= transportStart || port >= end) return;
    yield finding(
      configPath(engine),
      {
        saw: `kv_port ${port}`,
        want: `a port outside the transport's random range ${transportStart}-${end - 1}`,
        fix: `set "kv_port" to ${end} or higher${node === 8 ? ' (36000 on nodes of 16 NPUs)' : ''}`,
      },
      engine.spec.hostNetwork === true ? 'error' : 'warning',
    );
  },
});

/** A connector inside a MultiConnector takes the id of the whole unless it has one of its own. */
const engineIdOf = (engine: EngineRole): unknown =>
  configOf(engine, 'engine_id') ?? engine.connector?.config?.['engine_id'];
/** Whether the router must know the id before the first request. */
const idIsAskedFor = ({ connector }: EngineRole): boolean => connector?.profile?.engineId === 'pod';

const uuidIsAppended = { major: 0, minor: 12 };

export const engineIdIsUnique = engineRule({
  code: 'TND-039',
  severity: 'error',
  title: 'No two engines have the same engine_id',
  because: 'peers remember an engine by its id: two with one id hide or corrupt each other',
  source: 'pd-protocols C-39',
  *check(engine, subject) {
    const id = engineIdOf(engine);
    if (id === undefined || asText(id).includes('$')) return;
    const twin = subject.engines.find((other) => other !== engine && engineIdOf(other) === id);
    const instances = instancesOf(engine, subject);
    if (instances < 2 && !twin) return;
    const appended =
      isAscend(engine) && isAtLeast(engine.engine.version, uuidIsAppended.major, uuidIsAppended.minor) !== false;
    yield finding(
      configPath(engine),
      {
        saw: `engine_id ${JSON.stringify(id)} ${twin && instances < 2 ? `also on the role ${twin.role.name}` : `for ${instances} pods`}`,
        want: 'one id per pod',
        fix: idIsAskedFor(engine) ? ownId : 'remove "engine_id": the engine draws its own',
      },
      appended ? 'warning' : 'error',
    );
  },
});

export const engineIdIsFresh = engineRule({
  code: 'TND-040',
  severity: 'warning',
  title: 'A NIXL engine gets a new engine_id when it restarts',
  because: 'decode keeps the agent of the dead engine for up to an hour under the same id',
  source: 'pd-protocols C-40',
  *check(engine) {
    const id = engineIdOf(engine);
    // Where the router must know the id beforehand, a fixed one is the protocol.
    if (!isNixl(engine) || idIsAskedFor(engine)) return;
    if (typeof id !== 'string' || !/\$[({]?POD_NAME/.test(id)) return;
    yield finding(configPath(engine), {
      saw: id,
      want: 'no fixed id',
      fix: 'remove "engine_id": the engine draws its own',
    });
  },
});

const ownId = 'set "engine_id" to "$(POD_NAME)" in --kv-transfer-config';

export const engineIdIsKnown = engineRule({
  code: 'TND-126',
  severity: 'error',
  title: 'A prefill engine that pushes has an engine_id that the router can know',
  because:
    'decode registers with the prefill engine by its id, which the router must send beforehand; one that the engine draws is known to nobody',
  source: 'pd-protocols A.1.7',
  *check(engine) {
    if (engine.side === 'decode' || !idIsAskedFor(engine) || engine.connector?.error !== undefined) return;
    const id = engineIdOf(engine);
    if (typeof id === 'string' && id.trim() !== '') return;
    yield finding(configPath(engine), { saw: id, want: 'an id of each pod', fix: ownId });
  },
});

export const legacyRanksDiffer = pairRule({
  code: 'TND-044',
  severity: 'warning',
  title: 'kv_rank is 0 on prefill and 1 on decode',
  because: 'old connectors find their peer by it',
  source: 'pd-protocols C-44',
  *check({ prefill, decode }) {
    const [p, d] = [integerOf(configOf(prefill, 'kv_rank')), integerOf(configOf(decode, 'kv_rank'))];
    if (p === undefined || p !== d) return;
    yield finding(configPath(decode), {
      saw: `kv_rank ${d}`,
      want: '1, with 0 on prefill',
      fix: 'set "kv_rank" to 1, or remove it on both',
    });
  },
});

const addresses = ['HCCL_IF_IP', 'VLLM_HOST_IP', sideChannel];

export const addressesAreNotWritten = engineRule({
  code: 'TND-055',
  severity: 'error',
  title: 'No address is written into the template',
  because: 'every pod of the role gets it, and at most one has that address',
  source: 'pd-protocols C-55',
  reads: 'pod',
  *check(engine) {
    for (const name of addresses) {
      const value = literalOf(engine, name);
      if (value === undefined || !isIpLiteral(value) || loopbackOrAny(value)) continue;
      yield finding(envPath(engine, name), {
        saw: value,
        want: 'the IP of the pod',
        fix: `take ${name} from fieldRef status.podIP`,
      });
    }
  },
});

const networkNames = ['HCCL_IF_IP', 'HCCL_SOCKET_IFNAME', 'GLOO_SOCKET_IFNAME', 'TP_SOCKET_IFNAME'];

export const bothNameTheirNetwork = pairRule({
  code: 'TND-054',
  severity: 'error',
  title: 'Both roles say which network they use',
  because: 'the role that does not may choose a network that the other cannot reach',
  source: 'pd-protocols C-54',
  reads: 'pod',
  *check({ prefill, decode }) {
    if (!isAscend(prefill) || !isAscend(decode)) return;
    const multi = [prefill, decode].some(({ engine }) => engine.tensorParallel > 1);
    for (const name of networkNames) {
      const [p, d] = [envOf(prefill, name), envOf(decode, name)];
      const silent = p === undefined ? prefill : decode;
      if ((p === undefined) !== (d === undefined) && !isFromElsewhere(silent, name)) {
        const path = envPath(silent, name);
        yield finding(
          path,
          { saw: undefined, want: `${name} as on the other role`, fix: `set ${name} in both roles` },
          multi ? 'error' : 'warning',
        );
      }
    }
    for (const engine of [prefill, decode]) yield* eth0OnHost(engine);
  },
});

function* eth0OnHost(engine: EngineRole) {
  if (engine.spec.hostNetwork !== true) return;
  for (const name of networkNames.filter((variable) => literalOf(engine, variable) === 'eth0')) {
    const place = { saw: 'eth0', want: "the host's network card", fix: `name the card of the nodes in ${name}` };
    yield finding(envPath(engine, name), place, 'warning');
  }
}

export const loopbackIsUnreachable = engineRule({
  code: 'TND-066',
  severity: 'warning',
  title: 'The engine listens on the address of the pod',
  because: 'neither the router nor the probes reach it otherwise',
  source: 'pd-protocols C-66',
  *check(engine) {
    const host = flagOf(engine, 'host') ?? engine.engine.profile.hostDefault ?? '0.0.0.0';
    if (!/^(localhost|127\..*|::1)$/.test(host)) return;
    yield finding(engine.engine.argPaths.get('host') ?? `${engine.containerPath}.args`, {
      saw: `--host ${host}`,
      want: '0.0.0.0',
      fix: 'pass --host 0.0.0.0',
    });
  },
});

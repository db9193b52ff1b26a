import { randomUUID } from 'node:crypto';
import type { Pod } from '../../api/kube.js';
import { describeError } from '../../base/errors.js';
import { wholeUnits } from '../../base/quantity.js';
import type { PodReading } from '../../core/reading/types.js';
import type { Logger } from '../../telemetry/log.js';
import type { EngineNetwork } from '../engine/network.js';
import type { ConnectorName, EngineOptions, Timing } from '../engine/options.js';
import { type Engine, startEngine } from '../engine/start.js';
import { pause } from '../engine/ticker.js';
import { exitSlot, type Process, type ProcessExit } from './process.js';

export interface EngineSurroundings {
  readonly podIP: string;
  readonly network: EngineNetwork;
  readonly timing: Partial<Timing>;
  readonly loadMs: number;
  readonly logger: Logger;
  /** An address that no probe and no router knows, for engines that listen on localhost. */
  readonly hiddenAddress: () => string;
  /** Says once per key what is simulated with less than the manifest asks for. */
  readonly announce: (key: string, message: string, fields?: Record<string, unknown>) => void;
}

/** Connector profiles whose wire behaviour the simulator has. */
const simulated: Readonly<Record<string, ConnectorName>> = {
  nixl: 'nixl',
  'mooncake-v1': 'mooncake-v1',
  'mooncake-hybrid': 'mooncake-v1',
};

/** Runs what the reading says: a simulated engine with the model, port, connector and side channel of the pod's arguments. */
export async function startEngineProcess(pod: Pod, reading: PodReading, around: EngineSurroundings): Promise<Process> {
  const refusal = refusesToStart(reading);
  if (refusal !== undefined) return stillborn({ code: 1, reason: 'Error', message: refusal });
  const { exited, exit } = exitSlot();
  const stop = new AbortController();
  let engine: Engine | undefined;
  const started = load(pod, reading, around, stop.signal).then(
    (made) => {
      engine = made;
      void made?.exited.then(({ code, reason }) =>
        exit({ code, reason: code === 0 ? 'Completed' : 'Error', ...(code !== 0 && { message: reason }) }),
      );
    },
    (error: unknown) => exit({ code: 1, reason: 'Error', message: describeError(error) }),
  );
  const end = async (how: 'stop' | 'kill', code: number) => {
    stop.abort();
    await started;
    await engine?.[how]();
    exit({ code, reason: code === 0 ? 'Completed' : 'Error' });
  };
  return {
    exited,
    get isIdle() {
      return engine?.isIdle ?? true;
    },
    get engine() {
      return engine;
    },
    terminate: () => end('stop', 0),
    kill: () => end('kill', 137),
  };
}

async function load(
  pod: Pod,
  reading: PodReading,
  around: EngineSurroundings,
  signal: AbortSignal,
): Promise<Engine | undefined> {
  // Weights load before the port opens, which is what a startup probe is for.
  await pause(around.loadMs, signal);
  if (signal.aborted) return undefined;
  // The engine lives until it is told otherwise: its end belongs to the process, not to this signal.
  return startEngine(optionsOf(pod, reading, around), new AbortController().signal);
}

/** The real engine exits at once when it finds fewer devices than ranks (pd-protocols C-21). */
function refusesToStart({ engine, devices }: PodReading): string | undefined {
  if (devices.resource === undefined || engine.reading === 'opaque' || devices.count >= engine.ranksPerPod) {
    return undefined;
  }
  return `the engine needs ${engine.ranksPerPod} devices and finds ${devices.count} of ${devices.resource}; raise the limit or lower the parallel sizes`;
}

function stillborn(how: ProcessExit): Process {
  const gone = () => Promise.resolve();
  return { exited: Promise.resolve(how), isIdle: true, engine: undefined, terminate: gone, kill: gone };
}

function optionsOf(pod: Pod, reading: PodReading, around: EngineSurroundings): EngineOptions {
  const { engine, env } = reading;
  const isLocal = engine.host === 'localhost' || engine.host?.startsWith('127.') === true;
  return {
    host: isLocal ? around.hiddenAddress() : around.podIP,
    port: engine.port,
    podIP: around.podIP,
    models: engine.servedNames.length > 0 ? engine.servedNames : ['model'],
    role: reading.side === 'aggregated' ? 'plain' : reading.side,
    network: around.network,
    tensorParallel: engine.tensorParallel,
    dataParallel: engine.dataParallel,
    enablePromptTokensDetails: engine.args.has('enable-prompt-tokens-details'),
    exitWhenDead: true,
    timing: {
      ...around.timing,
      ...given({ keepAliveMs: milliseconds(env.get('VLLM_HTTP_TIMEOUT_KEEP_ALIVE')?.value) }),
    },
    logger: around.logger.child({ pod: `${pod.metadata.namespace}/${pod.metadata.name}` }),
    ...given({
      modelPath: engine.model,
      version: engine.version,
      maxModelLen: numberArg(engine.args.get('max-model-len')),
      blockSize: numberArg(engine.args.get('block-size')),
      maxNumSeqs: numberArg(engine.args.get('max-num-seqs')),
    }),
    ...connectorOptions(reading, around),
  };
}

function connectorOptions(reading: PodReading, around: EngineSurroundings): Partial<EngineOptions> {
  const { connector } = reading;
  if (connector === undefined) return {};
  const name = simulated[connector.profile?.name ?? ''];
  if (name === undefined) {
    around.announce(connector.name, 'this connector is not simulated: its engines answer without KV transfer', {
      connector: connector.name,
    });
    return {};
  }
  const own = connector.own ?? {};
  const loadFailurePolicy = own['kv_load_failure_policy'] === 'recompute' ? 'recompute' : 'fail';
  const sideChannel = name === 'nixl' ? nixlChannel(reading, own) : mooncakeChannel(reading, own, around.podIP);
  return { connector: name, loadFailurePolicy, ...sideChannel };
}

type Config = Readonly<Record<string, unknown>>;

function nixlChannel({ env }: PodReading, own: Config): Partial<EngineOptions> {
  return {
    advertisedHost: env.get('VLLM_NIXL_SIDE_CHANNEL_HOST')?.value ?? 'localhost',
    sideChannelPort: wholeUnits(env.get('VLLM_NIXL_SIDE_CHANNEL_PORT')?.value) ?? 5600,
    ...given({ engineId: textOf(own['engine_id']), leaseMs: leaseOf(own['kv_connector_extra_config']) }),
  };
}

function mooncakeChannel({ env }: PodReading, own: Config, podIP: string): Partial<EngineOptions> {
  return {
    advertisedHost: env.get('VLLM_HOST_IP')?.value ?? podIP,
    sideChannelPort: wholeUnits(own['kv_port'] as string | number | undefined) ?? 14_579,
    // vllm-ascend appends a uuid of its own, so that replicas with one literal id never meet.
    engineId: `${textOf(own['engine_id']) ?? 'engine'}-${randomUUID()}`,
  };
}

/** Only the members that have a value: an absent option keeps its default. */
function given<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function leaseOf(extra: unknown): number | undefined {
  const value = (extra as Readonly<Record<string, unknown>> | undefined)?.['kv_lease_duration'];
  return typeof value === 'number' ? value * 1000 : undefined;
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const numberArg = (value: string | true | undefined): number | undefined => wholeUnits(textOf(value));

function milliseconds(seconds: string | undefined): number | undefined {
  const value = Number(seconds);
  return seconds !== undefined && Number.isFinite(value) && value > 0 ? value * 1000 : undefined;
}

import { type Clock, systemClock } from '../../base/clock.js';
import { type Logger, silentLogger } from '../../telemetry/log.js';
import { Faults } from './faults.js';
import { EngineNetwork } from './network.js';

/** Milliseconds. The defaults are a fast laptop model, not any real chip. */
export interface Timing {
  readonly prefillMsPerToken: number;
  /** Between two tokens of one sequence. All sequences of an engine step together, as in continuous batching. */
  readonly tokenMs: number;
  readonly transferMsPerBlock: number;
  /** Until a decode engine learns that nobody answers at the side channel (15 s on a real one). */
  readonly handshakeTimeoutMs: number;
  /** Until a dead engine core ends its process, when `exitWhenDead`. */
  readonly deathMs: number;
  /** After which an idle connection is closed: uvicorn's 5 s unless VLLM_HTTP_TIMEOUT_KEEP_ALIVE says otherwise. */
  readonly keepAliveMs: number;
}

export type ConnectorName = 'nixl' | 'mooncake-v1';

export interface EngineOptions {
  readonly host: string;
  readonly port: number;
  /** Names under which the model is served; the first is the one answers carry. */
  readonly models: readonly string[];
  /** `root` of `/v1/models`: what was passed as the model. */
  readonly modelPath?: string;
  /** For logs and stats only: NIXL ignores `kv_role`. */
  readonly role?: 'prefill' | 'decode' | 'both' | 'plain';
  /** Absent: `kv_transfer_params` are ignored, as by an engine without a KV connector. */
  readonly connector?: ConnectorName;
  /** What is told to peers as `remote_host`: VLLM_NIXL_SIDE_CHANNEL_HOST, or the pod's own address. */
  readonly advertisedHost?: string;
  readonly sideChannelPort?: number;
  readonly engineId?: string;
  /** Address of the pod, which a wildcard or loopback name means; default `host`. */
  readonly podIP?: string;
  readonly network?: EngineNetwork;
  /** All that must be equal on both sides of a pair; default: the model path. */
  readonly compatibility?: string;
  readonly loadFailurePolicy?: 'fail' | 'recompute';
  readonly tensorParallel?: number;
  readonly dataParallel?: number;
  readonly timing?: Partial<Timing>;
  readonly blockSize?: number;
  readonly blocks?: number;
  readonly maxModelLen?: number;
  readonly maxNumSeqs?: number;
  readonly vocabulary?: number;
  readonly leaseMs?: number;
  readonly enablePromptTokensDetails?: boolean;
  /** The listener closes and `exited` resolves when the core has died, as the real process does. */
  readonly exitWhenDead?: boolean;
  readonly version?: string;
  /** How many requests `seen()` remembers. */
  readonly keepSeen?: number;
  readonly faults?: Faults;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export type Resolved = Required<Omit<EngineOptions, 'connector' | 'timing'>> & {
  readonly connector: ConnectorName | undefined;
  readonly timing: Timing;
};

const defaultTiming: Timing = {
  prefillMsPerToken: 0.05,
  tokenMs: 2,
  transferMsPerBlock: 0.05,
  handshakeTimeoutMs: 200,
  deathMs: 20,
  keepAliveMs: 5000,
};

/** `kv_lease_duration` of NIXL, and VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT of MooncakeConnectorV1. */
const leases: Record<ConnectorName, number> = { nixl: 30_000, 'mooncake-v1': 480_000 };
const ports: Record<ConnectorName, number> = { nixl: 5600, 'mooncake-v1': 30_000 };

const defaults = {
  loadFailurePolicy: 'fail',
  tensorParallel: 1,
  dataParallel: 1,
  blockSize: 16,
  blocks: 4096,
  maxModelLen: 32_768,
  maxNumSeqs: 256,
  vocabulary: 32_000,
  enablePromptTokensDetails: false,
  exitWhenDead: false,
  version: '0.32.0',
  keepSeen: 256,
  clock: systemClock,
  logger: silentLogger,
} as const;

export function resolveOptions(options: EngineOptions, randomId: () => string): Resolved {
  const { connector, podIP = options.host, modelPath = options.models[0] ?? 'model' } = options;
  return {
    ...defaults,
    role: connector === undefined ? 'plain' : 'both',
    network: new EngineNetwork(),
    compatibility: modelPath,
    faults: new Faults(),
    advertisedHost: podIP,
    sideChannelPort: ports[connector ?? 'nixl'],
    engineId: randomId(),
    leaseMs: leases[connector ?? 'nixl'],
    ...options,
    connector,
    podIP,
    modelPath,
    timing: { ...defaultTiming, ...options.timing },
  };
}

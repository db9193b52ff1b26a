import { EngineNetwork } from './engine/network.js';
import type { EngineOptions } from './engine/options.js';
import { type Engine, type Exit, startEngine } from './engine/start.js';

export interface PairOptions {
  readonly model?: string;
  /** Loopback addresses of the two engines; every 127.x.y.z answers on Linux. */
  readonly prefillHost?: string;
  readonly decodeHost?: string;
  readonly network?: EngineNetwork;
  /** Given to both engines, then the side's own. */
  readonly both?: Partial<EngineOptions>;
  readonly prefill?: Partial<EngineOptions>;
  readonly decode?: Partial<EngineOptions>;
}

/** One prefill and one decode engine on one KV network: what a router needs to be tested against. */
export interface Pair extends AsyncDisposable {
  readonly network: EngineNetwork;
  readonly prefill: Engine;
  readonly decode: Engine;
  /** KV blocks that either engine keeps for nobody: 0 when nothing is stranded. */
  blocksHeld(): number;
  readonly exited: Promise<Exit>;
  stop(): Promise<void>;
}

/** Starts a NIXL pair on ports the system chooses; `both: { connector: 'mooncake-v1' }` makes it the NPU kind. */
export async function startPair(options: PairOptions, signal: AbortSignal): Promise<Pair> {
  const network = options.network ?? new EngineNetwork();
  const start = (host: string, side: 'prefill' | 'decode') =>
    startEngine(
      {
        host,
        port: 0,
        models: [options.model ?? 'tiny'],
        role: side,
        connector: 'nixl',
        network,
        ...options.both,
        ...options[side],
      },
      signal,
    );
  const prefill = await start(options.prefillHost ?? '127.0.1.1', 'prefill');
  const decode = await start(options.decodeHost ?? '127.0.1.2', 'decode').catch(async (error: unknown) => {
    await prefill.stop();
    throw error;
  });
  const stop = async () => {
    await Promise.all([prefill.stop(), decode.stop()]);
  };
  return {
    network,
    prefill,
    decode,
    blocksHeld: () => prefill.blocksHeld() + decode.blocksHeld(),
    exited: Promise.race([prefill.exited, decode.exited]),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

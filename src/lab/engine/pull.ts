import { engineDead, internalError } from './answers.js';
import { seedFromBlocks } from './blocks.js';
import { blockIdsOf, connectors, type PullConnector } from './connector.js';
import type { Counters } from './counters.js';
import type { Peer } from './network.js';
import type { Resolved } from './options.js';
import { pause, untilAborted } from './ticker.js';

export type Params = Readonly<Record<string, unknown>>;

export interface Loaded {
  /** Seed of the text; undefined: nothing was fetched and the prompt is computed here. */
  readonly seed: number | undefined;
}

/** The decode side of the pull connectors: handshake, transfer, and what happens when the parameters are not right. */
export class Pull {
  readonly #options: Resolved;
  readonly #connector: PullConnector | undefined;
  readonly #counters: Counters;
  readonly #die: (why: string) => void;
  /** A handshake is made once per engine id; afterwards host and port of the parameters are not looked at. */
  readonly #handshakes = new Map<string, Peer>();

  constructor(options: Resolved, counters: Counters, die: (why: string) => void) {
    this.#options = options;
    this.#connector = options.connector && connectors[options.connector];
    this.#counters = counters;
    this.#die = die;
  }

  wants(params: Params | undefined): params is Params {
    return this.#connector !== undefined && params?.['do_remote_prefill'] === true;
  }

  /** Heartbeats to prefill while the request is queued here; returns how to stop them. */
  heartbeat(params: Params): () => void {
    return this.#known(params)?.heartbeat(idOf(params)) ?? (() => undefined);
  }

  /** The request ended before its KV was read: prefill is told that nobody will fetch it. */
  giveUp(params: Params): void {
    if (!this.#isComplete(params)) {
      this.#incomplete(params);
      return;
    }
    this.#known(params)?.done(idOf(params));
  }

  async load(params: Params, chain: Uint32Array, signal: AbortSignal): Promise<Loaded> {
    if (!this.#isComplete(params)) {
      this.#incomplete(params);
      if (this.#connector?.whenIncomplete === 'die') throw engineDead();
      return { seed: undefined };
    }
    if (this.#connector?.hangsWithoutRequestId && typeof params['remote_request_id'] !== 'string') {
      await untilAborted(signal);
      if (signal.reason === 'client') this.#die('a request without remote_request_id was abandoned');
      throw engineDead();
    }
    const peer = await this.#handshake(params, signal);
    if (peer === undefined || signal.aborted) return this.#failed(signal);
    return this.#read(peer, params, chain, signal);
  }

  async #read(peer: Peer, params: Params, chain: Uint32Array, signal: AbortSignal): Promise<Loaded> {
    const { blockSize, timing } = this.#options;
    const ids = blockIdsOf(params['remote_block_ids']);
    const needed = Math.ceil(chain.length / blockSize);
    if (ids === undefined) return this.#failed(signal);
    if (ids.length < needed) {
      this.#die(`${ids.length} remote blocks for a prompt of ${needed}`);
      throw engineDead();
    }
    // With more blocks than the prompt needs the real engine takes the last ones, whatever they hold.
    const wanted = ids.slice(ids.length - needed);
    const contents = peer.isAlive ? peer.read(wanted) : undefined;
    if (contents === undefined) return this.#failed(signal);
    await pause(needed * timing.transferMsPerBlock, signal);
    if (signal.aborted) return { seed: undefined };
    const { seed, correct } = seedFromBlocks(chain, contents, blockSize);
    peer.done(idOf(params));
    this.#counters.transfers += 1;
    this.#counters.transferredBlocks += needed;
    this.#counters.transferSeconds += (needed * timing.transferMsPerBlock) / 1000;
    if (!correct) this.#counters.wrongTexts += 1;
    return { seed };
  }

  async #handshake(params: Params, signal: AbortSignal): Promise<Peer | undefined> {
    const { network, podIP, compatibility, blockSize, timing } = this.#options;
    const engineId = String(params['remote_engine_id']);
    const known = this.#handshakes.get(engineId);
    if (known) return known;
    const peer = network.dial(String(params['remote_host']), Number(params['remote_port']), podIP);
    if (peer === undefined) await pause(timing.handshakeTimeoutMs, signal);
    if (peer?.engineId !== engineId || peer.compatibility !== compatibility || peer.blockSize !== blockSize) {
      return undefined;
    }
    if (this.#handshakes.size >= 1000) this.#handshakes.clear();
    this.#handshakes.set(engineId, peer);
    return peer;
  }

  #known(params: Params): Peer | undefined {
    const engineId = String(params['remote_engine_id']);
    const { network, podIP } = this.#options;
    const peer =
      this.#handshakes.get(engineId) ??
      network.dial(String(params['remote_host']), Number(params['remote_port']), podIP);
    return peer?.isAlive && peer.engineId === engineId ? peer : undefined;
  }

  #failed(signal: AbortSignal): Loaded {
    if (signal.aborted) return { seed: undefined };
    this.#counters.failedTransfers += 1;
    if (this.#options.loadFailurePolicy === 'recompute') return { seed: undefined };
    throw internalError();
  }

  #isComplete(params: Params): boolean {
    if (params['do_remote_decode'] === true) return false;
    return this.#connector?.required.every((key) => params[key] !== undefined && params[key] !== null) ?? true;
  }

  #incomplete(params: Params): void {
    if (this.#connector?.whenIncomplete !== 'die') return;
    this.#die(`kv_transfer_params name no remote prefill: ${JSON.stringify(params).slice(0, 200)}`);
  }
}

const idOf = (params: Params): string => String(params['remote_request_id']);

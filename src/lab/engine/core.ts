import { engineDead } from './answers.js';
import { type Allocation, BlockPool } from './blocks.js';
import { connectors } from './connector.js';
import { Counters, type FinishReason } from './counters.js';
import { type Ending, generate, longestText, tokenId } from './generate.js';
import { Handovers } from './handovers.js';
import type { Peer } from './network.js';
import type { Resolved } from './options.js';
import { type Params, Pull } from './pull.js';
import { pause, Ticker, untilAborted } from './ticker.js';
import { chainOf, mix } from './tokens.js';

/** One sequence: one prompt and one of its `n` choices. */
export interface Sequence {
  /** Internal id, e.g. `chatcmpl-<x-request-id>-<8 hex>`: what decode names as `remote_request_id`. */
  readonly requestId: string;
  readonly tokens: readonly number[];
  readonly choice: number;
  readonly maxTokens: number;
  readonly minTokens: number;
  readonly ignoreEos: boolean;
  readonly stop: readonly string[];
  readonly params: Params | undefined;
  /** Params are only given out in a plain answer. */
  readonly stream: boolean;
  readonly dropParams: boolean;
}

export interface SequenceEnd {
  readonly finish: FinishReason;
  readonly stopReason: string | null;
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly cachedTokens: number;
  readonly handover: Record<string, unknown> | undefined;
}

/** Called with each token; the last one comes with what ended the sequence. */
export type Say = (piece: string, id: number, final: Pick<SequenceEnd, 'finish' | 'stopReason'> | undefined) => void;

/** Why a sequence is cut: the client left, the core died, the process was told to stop, or a sibling choice failed. */
export type CutReason = 'client' | 'dead' | 'shutdown' | 'failed';

/** The engine core: admits sequences, computes or fetches their KV, and says one token per step. It can die. */
export class EngineCore {
  readonly pool: BlockPool;
  readonly handovers: Handovers;
  readonly counters = new Counters();
  readonly peer: Peer;
  readonly #options: Resolved;
  readonly #pull: Pull;
  readonly #ticker: Ticker;
  readonly #queue: Sequence[] = [];
  readonly #active = new Set<AbortController>();
  readonly #onDeath: (why: string) => void;
  #closing: CutReason | undefined;
  running = 0;
  diedOf: string | undefined;

  constructor(options: Resolved, onDeath: (why: string) => void) {
    this.#options = options;
    this.#onDeath = onDeath;
    this.pool = new BlockPool(options.blocks, options.blockSize);
    this.handovers = new Handovers(this.pool, options.clock, options.leaseMs);
    this.#pull = new Pull(options, this.counters, (why) => this.die(why));
    this.#ticker = new Ticker(options.timing.tokenMs);
    this.peer = this.#asPeer();
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get isAlive(): boolean {
    return this.diedOf === undefined;
  }

  /** Ends the core as an assertion in the real one does: every request fails, and so does every later one. */
  die(why: string): void {
    if (!this.isAlive) return;
    this.diedOf = why;
    this.cut('dead');
    this.#onDeath(why);
  }

  /** Cuts all sequences, also those still to come; the answers tell the client according to the reason. */
  cut(reason: CutReason): void {
    this.#closing = reason;
    for (const controller of this.#active) controller.abort(reason);
  }

  /** Resolves when the caller's request is cut, for whatever reason. */
  async whileAlive(cut: AbortController): Promise<void> {
    this.#follow(cut);
    await untilAborted(cut.signal);
    this.#active.delete(cut);
  }

  /** Makes this request one of those that are cut together. */
  #follow(cut: AbortController): void {
    this.#active.add(cut);
    if (this.#closing) cut.abort(this.#closing);
  }

  /** After the process has stopped: peers that still know it must find nobody. */
  retire(): void {
    this.diedOf ??= 'stopped';
  }

  /** A request that was refused after it had been parsed: its hand-over, if it carried one, is given back. */
  refused(params: Params | undefined): void {
    if (this.isAlive && this.#pull.wants(params)) this.#pull.giveUp(params);
  }

  /** Runs one sequence to its end. `cut` is the caller's way to end it early, for the reason it aborts with. */
  async run(sequence: Sequence, cut: AbortController, say: Say): Promise<SequenceEnd> {
    if (!this.isAlive) throw engineDead();
    this.#follow(cut);
    this.counters.requests += 1;
    const remote = this.#pull.wants(sequence.params) ? sequence.params : undefined;
    const life: Life = { started: this.#options.clock.now(), fetched: remote === undefined, allocation: undefined };
    const stopHeartbeat = remote ? this.#pull.heartbeat(remote) : () => undefined;
    try {
      return await this.#live(sequence, remote, life, cut.signal, say);
    } catch (error) {
      this.counters.finished.error += 1;
      if (life.allocation) this.pool.release(life.allocation.ids);
      throw error;
    } finally {
      stopHeartbeat();
      this.#active.delete(cut);
      const isLost = remote !== undefined && !life.fetched && cut.signal.aborted;
      if (isLost && this.isAlive) this.#pull.giveUp(remote);
      this.counters.endToEndSeconds += (this.#options.clock.now() - life.started) / 1000;
    }
  }

  async #live(
    sequence: Sequence,
    remote: Params | undefined,
    life: Life,
    signal: AbortSignal,
    say: Say,
  ): Promise<SequenceEnd> {
    const chain = chainOf(sequence.tokens, this.#options.modelPath);
    life.allocation = await this.#admit(sequence, chain, signal);
    if (life.allocation === undefined) return this.#ended(sequence, undefined, cutShort(signal, []));
    this.running += 1;
    try {
      const seed = await this.#prefill(chain, life.allocation, remote, signal);
      if (signal.aborted) return this.#ended(sequence, life.allocation, cutShort(signal, []));
      life.fetched = true;
      this.counters.firstTokens += 1;
      this.counters.firstTokenSeconds += (this.#options.clock.now() - life.started) / 1000;
      return this.#ended(sequence, life.allocation, await this.#decode(sequence, seed, signal, say));
    } finally {
      this.running -= 1;
    }
  }

  async #admit(sequence: Sequence, chain: Uint32Array, signal: AbortSignal): Promise<Allocation | undefined> {
    this.#queue.push(sequence);
    try {
      while (!signal.aborted) {
        this.handovers.expire();
        const isTurn = this.#queue[0] === sequence && this.running < this.#options.maxNumSeqs;
        const allocation = isTurn ? this.pool.allocate(chain, mostTokens(sequence) - 1) : undefined;
        if (allocation) return allocation;
        await this.#ticker.next();
      }
      return undefined;
    } finally {
      this.#queue.splice(this.#queue.indexOf(sequence), 1);
    }
  }

  /** Gets the prompt's KV, from the prefill engine or by computing it; returns the seed of the text. */
  async #prefill(
    chain: Uint32Array,
    allocation: Allocation,
    remote: Params | undefined,
    signal: AbortSignal,
  ): Promise<number> {
    const { counters } = this;
    if (remote) {
      counters.externalQueries += chain.length;
      const { seed } = await this.#pull.load(remote, chain, signal);
      if (seed !== undefined) {
        counters.promptTokens.external_kv_transfer += chain.length;
        counters.externalHits += chain.length;
        return seed;
      }
    }
    counters.prefixQueries += chain.length;
    counters.prefixHits += allocation.cachedTokens;
    counters.promptTokens.local_cache_hit += allocation.cachedTokens;
    counters.promptTokens.local_compute += chain.length - allocation.cachedTokens;
    await pause((chain.length - allocation.cachedTokens) * this.#options.timing.prefillMsPerToken, signal);
    return chain.at(-1) ?? 0;
  }

  async #decode(sequence: Sequence, promptSeed: number, signal: AbortSignal, say: Say): Promise<Spoken> {
    const seed = sequence.choice === 0 ? promptSeed : mix(promptSeed, sequence.choice);
    const ending: Ending = generate(seed, sequence);
    const spoken: string[] = [];
    const ids: number[] = [];
    for (const [n, piece] of ending.tokens.entries()) {
      // The first token comes out of the prefill itself.
      if (n > 0 && this.#options.timing.tokenMs > 0) await this.#ticker.next();
      if (signal.aborted) return { ...cutShort(signal, spoken), ids };
      const id = tokenId(seed, n, this.#options.vocabulary);
      spoken.push(piece);
      ids.push(id);
      this.counters.generationTokens += 1;
      say(piece, id, n === ending.tokens.length - 1 ? ending : undefined);
    }
    return { finish: ending.finish, stopReason: ending.stopReason, spoken, ids };
  }

  #ended(sequence: Sequence, allocation: Allocation | undefined, spoken: Spoken): SequenceEnd {
    this.counters.finished[spoken.finish] += 1;
    const handover = allocation && this.#keepOrRelease(sequence, allocation, spoken);
    return {
      finish: spoken.finish,
      stopReason: spoken.stopReason,
      text: spoken.spoken.join(''),
      tokenIds: spoken.ids,
      cachedTokens: allocation?.cachedTokens ?? 0,
      handover,
    };
  }

  #keepOrRelease(sequence: Sequence, allocation: Allocation, spoken: Spoken): Record<string, unknown> | undefined {
    const { options, keeps } = { options: this.#options, keeps: this.#keeps(sequence, spoken) };
    const generated = spoken.spoken.length;
    const needed = keeps ? this.pool.blocksFor(sequence.tokens.length + generated - 1) : 0;
    const kept = allocation.ids.slice(0, needed);
    this.pool.release(allocation.ids.slice(needed));
    if (!keeps || options.connector === undefined) return undefined;
    this.handovers.hold(sequence.requestId, kept);
    if (sequence.stream) return undefined;
    return connectors[options.connector].handover({
      options,
      requestId: sequence.requestId,
      blockIds: kept,
      promptTokens: sequence.tokens.length,
      generatedTokens: generated,
      cachedTokens: allocation.cachedTokens,
      lastToken: spoken.ids.at(-1) ?? 0,
    });
  }

  #keeps(sequence: Sequence, spoken: Spoken): boolean {
    const { connector } = this.#options;
    if (connector === undefined || sequence.dropParams || sequence.params?.['do_remote_decode'] !== true) return false;
    return connectors[connector].finishes.includes(spoken.finish);
  }

  #asPeer(): Peer {
    const { engineId, compatibility, blockSize } = this.#options;
    const core = this;
    return {
      engineId,
      compatibility,
      blockSize,
      get isAlive() {
        return core.isAlive;
      },
      read: (ids) => {
        core.handovers.expire();
        return core.pool.read(ids);
      },
      heartbeat: (requestId) => core.handovers.heartbeat(requestId),
      done: (requestId) => core.handovers.done(requestId),
    };
  }
}

/** No answer is longer: the generator ends every text by itself, unless it is told to ignore that. */
const mostTokens = ({ ignoreEos, maxTokens, minTokens }: Sequence): number =>
  ignoreEos ? maxTokens : Math.min(maxTokens, longestText + minTokens);

interface Life {
  readonly started: number;
  allocation: Allocation | undefined;
  /** Whether the hand-over was read, or there was none. */
  fetched: boolean;
}

interface Spoken {
  readonly finish: FinishReason;
  readonly stopReason: string | null;
  readonly spoken: readonly string[];
  readonly ids: readonly number[];
}

/** A dead core fails what it was doing; any other cut ends it as `abort`. */
function cutShort(signal: AbortSignal, spoken: readonly string[]): Spoken {
  if (signal.reason === 'dead') throw engineDead();
  return { finish: 'abort', stopReason: null, spoken, ids: [] };
}

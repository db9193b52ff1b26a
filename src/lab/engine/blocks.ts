import { mix } from './tokens.js';

/** What a KV block holds: `chain[from]` and on are the running hashes of the tokens in it. */
export interface Content {
  readonly chain: Uint32Array;
  readonly from: number;
}

export interface Allocation {
  readonly ids: readonly number[];
  /** Prompt tokens that were found in the prefix cache. */
  readonly cachedTokens: number;
}

/**
 * The KV block pool of one engine: reference counts, a free queue in vLLM's order, and a prefix cache over full
 * blocks. A freed block keeps its content until it is handed out again, which is why a late or repeated transfer
 * reads right until, one day, it reads somebody else's prompt. Block 0 is never handed out (vLLM's null block).
 */
export class BlockPool {
  readonly #size: number;
  readonly #references: Uint32Array;
  readonly #content: (Content | undefined)[];
  readonly #keyOf: (number | undefined)[];
  readonly #cached = new Map<number, number>();
  /** Insertion order is the order of reuse. */
  readonly #free = new Set<number>();

  readonly total: number;

  constructor(total: number, size: number) {
    this.total = total;
    this.#size = size;
    this.#references = new Uint32Array(total);
    this.#content = new Array<Content | undefined>(total);
    this.#keyOf = new Array<number | undefined>(total);
    for (let id = 1; id < total; id += 1) this.#free.add(id);
  }

  /** Blocks that some request or hand-over still refers to. */
  get used(): number {
    return this.total - 1 - this.#free.size;
  }

  blocksFor(tokens: number): number {
    return Math.ceil(tokens / this.#size);
  }

  /** Blocks for a prompt and what it will generate, or undefined when the pool cannot give them yet. */
  allocate(chain: Uint32Array, generated: number): Allocation | undefined {
    const hits = this.#hits(chain);
    const wanted = this.blocksFor(chain.length + generated) - hits.length;
    const spare = this.#free.size - hits.filter((id) => this.#free.has(id)).length;
    if (wanted > spare) return undefined;
    for (const id of hits) this.#take(id);
    const ids = [...hits];
    for (let n = 0; n < wanted; n += 1) ids.push(this.#fresh(chain, ids.length));
    return { ids, cachedTokens: hits.length * this.#size };
  }

  release(ids: readonly number[]): void {
    // vLLM frees the tail first, so that the head of a prompt stays cached longest.
    for (const id of [...ids].reverse()) {
      const left = (this.#references[id] ?? 1) - 1;
      this.#references[id] = left;
      if (left === 0) this.#free.add(id);
    }
  }

  /** The content of blocks, freed or not; undefined when an id lies outside the pool. */
  read(ids: readonly number[]): readonly (Content | undefined)[] | undefined {
    if (ids.some((id) => !Number.isInteger(id) || id < 0 || id >= this.total)) return undefined;
    return ids.map((id) => this.#content[id]);
  }

  #hits(chain: Uint32Array): number[] {
    const hits: number[] = [];
    // The last prompt token is always computed, so a prompt is never wholly cached.
    for (let end = this.#size; end < chain.length; end += this.#size) {
      const id = this.#cached.get(keyAt(chain, end));
      if (id === undefined) break;
      hits.push(id);
    }
    return hits;
  }

  #fresh(chain: Uint32Array, index: number): number {
    const id = this.#free.values().next().value ?? 0;
    const old = this.#keyOf[id];
    if (old !== undefined && this.#cached.get(old) === id) this.#cached.delete(old);
    const from = index * this.#size;
    const full = from + this.#size <= chain.length;
    const key = full ? keyAt(chain, from + this.#size) : undefined;
    this.#content[id] = { chain, from };
    this.#keyOf[id] = key;
    if (key !== undefined) this.#cached.set(key, id);
    this.#take(id);
    return id;
  }

  #take(id: number): void {
    this.#references[id] = (this.#references[id] ?? 0) + 1;
    this.#free.delete(id);
  }
}

const keyAt = (chain: Uint32Array, end: number): number => (chain[end - 1] ?? 0) * 65_536 + (mix(end, 7) & 0xffff);

/**
 * Reads a prompt's KV out of foreign blocks. Returns the seed of the text that follows: the prompt's own when every
 * block holds its tokens, else that of whatever was read, and nothing notices.
 */
export function seedFromBlocks(
  own: Uint32Array,
  contents: readonly (Content | undefined)[],
  size: number,
): { seed: number; correct: boolean } {
  let last = 0;
  let correct = true;
  for (let i = 0; i < own.length; i += 1) {
    const content = contents[Math.floor(i / size)];
    const read = content?.chain[content.from + (i % size)];
    if (read !== own[i]) correct = false;
    if (read !== undefined) last = read;
  }
  return { seed: correct ? (own.at(-1) ?? 0) : last, correct };
}

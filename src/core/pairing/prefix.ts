import xxhash from 'xxhash-wasm';

/** Bytes of prompt per hashed block: a shared system prompt of half a kilobyte already counts. */
export const blockBytes = 512;
/** Blocks hashed of one prompt: 64 KB are enough to tell prompts apart. */
const maxBlocks = 128;
/** Pods remembered for one block, most recent first. */
const podsPerBlock = 4;

/** Chained hashes of a prompt's leading blocks: the n-th stands for everything up to its end. */
export type PrefixHashes = readonly number[];
export type PrefixHasher = (prompt: Uint8Array) => PrefixHashes;

/** Loads the hash function (WebAssembly, in memory) once per process. */
export async function loadPrefixHasher(): Promise<PrefixHasher> {
  const { h32Raw } = await xxhash();
  return (prompt) => {
    const blocks = Math.min(maxBlocks, Math.floor(prompt.length / blockBytes));
    const hashes = new Array<number>(blocks);
    let low = 0;
    for (let block = 0; block < blocks; block += 1) {
      const bytes = prompt.subarray(block * blockBytes, (block + 1) * blockBytes);
      low = h32Raw(bytes, low);
      // The chain alone has 32 bits; the block's position keeps equal values at different depths apart.
      hashes[block] = low * maxBlocks + block;
    }
    return hashes;
  };
}

/**
 * Which pods have lately computed which prompt prefixes. Bounded without bookkeeping per hit: two generations, of which the
 * older one is dropped when the younger is full.
 */
export class PrefixIndex {
  #young = new Map<number, readonly string[]>();
  #old = new Map<number, readonly string[]>();
  readonly #limit: number;

  /** @param limit blocks remembered, in total */
  constructor(limit = 100_000) {
    this.#limit = Math.max(2, limit);
  }

  /** Remembers that the pod has computed this prompt. */
  learn(hashes: PrefixHashes, uid: string): void {
    for (const hash of hashes) {
      const known = this.#young.get(hash) ?? this.#old.get(hash) ?? [];
      if (known[0] === uid && this.#young.has(hash)) continue;
      this.#young.set(hash, [uid, ...known.filter((other) => other !== uid)].slice(0, podsPerBlock));
      if (this.#young.size * 2 >= this.#limit) this.#age();
    }
  }

  /** Bytes of the prompt's longest known prefix, by pod. */
  match(hashes: PrefixHashes): ReadonlyMap<string, number> {
    const bytes = new Map<string, number>();
    for (const [block, hash] of hashes.entries()) {
      const pods = this.#young.get(hash) ?? this.#old.get(hash);
      if (!pods) break;
      for (const uid of pods) {
        if ((bytes.get(uid) ?? 0) === block * blockBytes) bytes.set(uid, (block + 1) * blockBytes);
      }
    }
    return bytes;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  #age(): void {
    this.#old = this.#young;
    this.#young = new Map();
  }
}

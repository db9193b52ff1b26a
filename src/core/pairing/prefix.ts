import xxhash from 'xxhash-wasm';

/**
 * Lengths of prompt, in bytes, at which prefixes are compared, each half as long again as the one before. A shared system
 * prompt of half a kilobyte already counts, a megabyte costs twenty look-ups, and a match is at worst a third too short.
 */
export const boundaries: readonly number[] = Array.from({ length: 20 }, (_, i) => Math.round(512 * 1.5 ** i));
/** Pods remembered for one prefix, most recent first. */
const podsPerPrefix = 4;
/** Prompts that wait to be told to other workers; of more than these the others learn when they see them. */
const mostNews = 1000;

const unknown: ReadonlyMap<string, number> = new Map();

/** Chained hashes of a prompt's leading bytes: the n-th stands for everything up to the n-th boundary. */
export type PrefixHashes = readonly number[];
export type PrefixHasher = (prompt: Uint8Array) => PrefixHashes;
/** The prefixes of one prompt that were new here, and the pod that computed it: what other workers are told. */
export type PrefixNews = readonly [uid: string, ...hashes: number[]];

/** Loads the hash function (WebAssembly, in memory) once per process. */
export async function loadPrefixHasher(): Promise<PrefixHasher> {
  const { h32Raw } = await xxhash();
  return (prompt) => {
    const hashes: number[] = [];
    let from = 0;
    let chained = 0;
    for (const [i, to] of boundaries.entries()) {
      if (to > prompt.length) break;
      chained = h32Raw(prompt.subarray(from, to), chained);
      // The chain alone has 32 bits; the boundary keeps equal values of different lengths apart.
      hashes.push(chained * boundaries.length + i);
      from = to;
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
  #news: PrefixNews[] = [];
  #onNews: (() => void) | undefined;

  /** @param limit prefixes remembered, in total */
  constructor(limit = 100_000) {
    this.#limit = Math.max(2, limit);
  }

  /** Remembers that the pod has computed this prompt. */
  learn(hashes: PrefixHashes, uid: string): void {
    let firstNew = -1;
    for (let i = 0; i < hashes.length; i += 1) {
      if (this.#remember(hashes[i] ?? 0, uid) && firstNew < 0) firstNew = i;
    }
    if (firstNew >= 0 && this.#onNews) this.#tell(hashes.slice(firstNew), uid);
  }

  /** Takes over what another worker learned. */
  adopt(news: readonly PrefixNews[]): void {
    for (const [uid, ...hashes] of news) for (const hash of hashes) this.#remember(hash, uid);
  }

  /** From now on what is new here is kept for `news`; the first of it is told at once. */
  share(onNews: () => void): void {
    this.#onNews = onNews;
  }

  /** What was new since the last time. */
  news(): readonly PrefixNews[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }

  /** Bytes of the prompt's longest known prefix, by pod. */
  match(hashes: PrefixHashes): ReadonlyMap<string, number> {
    if (!this.#podsOf(hashes[0])) return unknown;
    const bytes = new Map<string, number>();
    for (let i = 0; i < hashes.length; i += 1) {
      const pods = this.#podsOf(hashes[i]);
      if (!pods) break;
      for (const uid of pods) {
        if ((bytes.get(uid) ?? 0) === (boundaries[i - 1] ?? 0)) bytes.set(uid, boundaries[i] ?? 0);
      }
    }
    return bytes;
  }

  #podsOf(hash = 0): readonly string[] | undefined {
    return this.#young.get(hash) ?? this.#old.get(hash);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** False when it was known already. */
  #remember(hash: number, uid: string): boolean {
    const young = this.#young.get(hash);
    // Who came last matters only when one has to go.
    if (young?.includes(uid) && young.length < podsPerPrefix) return false;
    const known = young ?? this.#old.get(hash) ?? [];
    this.#young.set(hash, [uid, ...known.filter((other) => other !== uid)].slice(0, podsPerPrefix));
    if (this.#young.size * 2 >= this.#limit) this.#age();
    return true;
  }

  #tell(hashes: PrefixHashes, uid: string): void {
    if (this.#news.length >= mostNews) return;
    if (this.#news.push([uid, ...hashes]) === 1) this.#onNews?.();
  }

  #age(): void {
    this.#old = this.#young;
    this.#young = new Map();
  }
}

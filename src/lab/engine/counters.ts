export type FinishReason = 'stop' | 'length' | 'abort' | 'error';

/** What the engine core counts; `/metrics` and `stats()` are two views of it. */
export class Counters {
  requests = 0;
  promptTokens = { local_compute: 0, local_cache_hit: 0, external_kv_transfer: 0 };
  generationTokens = 0;
  prefixQueries = 0;
  prefixHits = 0;
  externalQueries = 0;
  externalHits = 0;
  finished: Record<FinishReason, number> = { stop: 0, length: 0, abort: 0, error: 0 };
  transfers = 0;
  transferredBlocks = 0;
  transferSeconds = 0;
  failedTransfers = 0;
  /** Requests whose transferred KV was not that of their prompt: the real engine cannot know this number. */
  wrongTexts = 0;
  firstTokenSeconds = 0;
  firstTokens = 0;
  endToEndSeconds = 0;
}

import type { LoadRow, LoadTable } from '../src/core/pairing/load.js';
import type { PrefixIndex, PrefixNews } from '../src/core/pairing/prefix.js';
import type { ProbeState } from '../src/server/probes.js';

/** What a worker tells the others at once: where its load has changed, and which prefixes were new to it. */
export interface Batch {
  readonly load: readonly LoadRow[];
  readonly prefixes: readonly PrefixNews[];
}

/** Hears the other workers of the same router. */
export interface WorkersListener {
  /** `from` is a number that no other worker ever has. */
  onBatch(from: number, batch: Batch): void;
  onGone(worker: number): void;
}

/** The way to the other workers of the same router. */
export interface OtherWorkers {
  listen(listener: WorkersListener): void;
  /** Sends to all of them; calls back when the way is free for the next batch. */
  send(batch: Batch, sent: () => void): void;
  /** Takes what this worker answers probes with; returns what it shall answer, on behalf of all. */
  probes(own: ProbeState): ProbeState;
}

/** From one batch to the next, so that many changes are told together; the first one after a silence goes at once. */
const gatherMs = 4;

/**
 * Gives this worker's pairing the load and the prefixes of the others, and tells them its own. Nothing is sent while nothing
 * changes, and one batch at a time: what changes meanwhile is one row a pod, however often.
 */
export function startSharing(load: LoadTable, prefix: PrefixIndex, others: OtherWorkers): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let sentAt = 0;
  let isSending = false;
  let hasMore = false;
  const flush = () => {
    timer = undefined;
    sentAt = performance.now();
    isSending = true;
    hasMore = false;
    others.send({ load: load.changes(), prefixes: prefix.news() }, () => {
      isSending = false;
      if (hasMore) wake();
    });
  };
  const wake = () => {
    if (isSending) hasMore = true;
    else timer ??= setTimeout(flush, Math.max(0, gatherMs - (performance.now() - sentAt)));
  };
  load.share(wake);
  prefix.share(wake);
  others.listen({
    onBatch: (from, batch) => {
      load.takeFrom(from, batch.load);
      prefix.adopt(batch.prefixes);
    },
    onGone: (worker) => load.drop(worker),
  });
  const stop = () => {
    clearTimeout(timer);
    isSending = true; // and stays so: whatever is released from now on, the end of this worker tells
  };
  return { stop };
}

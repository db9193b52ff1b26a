import { setTimeout as after } from 'node:timers/promises';
import { Asker, type Seen, seenNothing, type Target } from './asker.js';
import { type StreamShape, streamRequest } from './requests.js';

/** Clients at work until `stop`; `seen` counts on. */
export interface Load {
  readonly seen: Seen;
  stop(): Promise<void>;
}

const openAll = (target: Target, count: number): Promise<Asker[]> =>
  Promise.all(Array.from({ length: count }, () => Asker.open(target)));

/** Each connection asks again as soon as it is answered. Stops between two requests. */
export async function closedLoop(target: Target, request: Buffer, connections: number): Promise<Load> {
  const seen = seenNothing();
  const askers = await openAll(target, connections);
  let isOver = false;
  const working = Promise.all(
    askers.map(async (asker) => {
      while (!isOver) await asker.whole(request, seen);
    }),
  );
  const failure = failureOf(working);
  return {
    seen,
    stop: async () => {
      isOver = true;
      await working.catch(() => undefined);
      for (const asker of askers) asker.close();
      failure();
    },
  };
}

/** Keeps what goes wrong in the meantime, to be thrown when it is asked for. */
function failureOf(work: Promise<unknown>): () => void {
  let failed: { readonly error: unknown } | undefined;
  work.catch((error: unknown) => {
    failed = { error };
  });
  return () => {
    if (failed) throw failed.error;
  };
}

/** Asks so many requests, then ends: V8 optimises the path of a request over the first ten thousand or so. */
export async function askMany(target: Target, request: Buffer, requests: number): Promise<Seen> {
  const seen = seenNothing();
  const askers = await openAll(target, 32);
  await Promise.all(
    askers.map(async (asker) => {
      while (seen.requests < requests) await asker.whole(request, seen);
    }),
  );
  for (const asker of askers) asker.close();
  return seen;
}

/**
 * So many streams at any moment: each connection asks for the next stream when one has ended. The first streams have different
 * lengths, so that ends and beginnings are spread evenly. Stopping cuts the streams.
 */
export async function streaming(target: Target, streams: number, chunks: number, shape: StreamShape): Promise<Load> {
  const seen = seenNothing();
  const askers = await openAll(target, streams);
  const request = streamRequest(chunks, shape);
  let isOver = false;
  const working = askers.map(async (asker, i) => {
    const first = Math.ceil((chunks * (i + 1)) / streams);
    await asker.stream(streamRequest(first, shape), first, seen);
    while (!isOver) await asker.stream(request, chunks, seen);
  });
  const failure = failureOf(Promise.all(working));
  return {
    seen,
    stop: async () => {
      isOver = true;
      for (const asker of askers) asker.close();
      await after(0);
      failure();
    },
  };
}

/** Milliseconds from asking to the last byte. */
export interface Timed {
  readonly seen: Seen;
  readonly latencies: readonly number[];
}

/** So many requests each second, whether or not earlier ones are answered. */
export async function steadyArrival(
  target: Target,
  request: Buffer,
  perSecond: number,
  milliseconds: number,
): Promise<Timed> {
  const seen = seenNothing();
  const latencies: number[] = [];
  const free = await openAll(target, 4);
  const open = new Set<Promise<void>>();
  const begun = performance.now();
  const ask = async () => {
    const asker = free.pop() ?? (await Asker.open(target));
    const asked = performance.now();
    await asker.whole(request, seen);
    latencies.push(performance.now() - asked);
    free.push(asker);
  };
  for (let due = 0; due < milliseconds; due += 1000 / perSecond) {
    await after(Math.max(0, begun + due - performance.now()));
    const asking: Promise<void> = ask().finally(() => open.delete(asking));
    open.add(asking);
  }
  await Promise.all(open);
  for (const asker of free) asker.close();
  return { seen, latencies };
}

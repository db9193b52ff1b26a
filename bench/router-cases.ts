import { setTimeout as after } from 'node:timers/promises';
import type { Seen, Target } from './asker.js';
import type { Contender } from './contenders.js';
import { askMany, closedLoop, type Load, steadyArrival, streaming } from './load.js';
import { cpuMicroseconds } from './process-tree.js';
import { type StreamShape, wholeRequest } from './requests.js';
import { quantile } from './statistics.js';

/** One line of the table. */
export interface Row {
  readonly name: string;
  readonly digits: number;
  /** Whether to say how many times nginx's value it is. */
  readonly inHops: boolean;
}

export interface Round {
  /** One for each row of the case. */
  readonly values: readonly number[];
  readonly seen: Seen;
}

export interface Case {
  readonly name: string;
  readonly rows: readonly Row[];
  /** Each round has a process of its own, since memory that was once used hides what is used later. */
  readonly ownProcess: boolean;
  /** Before the rounds, once for each contender, or for each process. */
  prepare(contender: Contender): Promise<Seen>;
  round(contender: Contender, engine: Target, milliseconds: number): Promise<Round>;
}

export const at = ({ port }: Contender): Target => ({ host: '127.0.0.1', port });

/** V8 optimises the path of a request over the first ten thousand or so. */
export const warmUpRequests = 40_000;
/** Enough to be sure that a router works. */
export const fewRequests = 500;

export const askFirst = (contender: Contender, requests: number): Promise<Seen> =>
  askMany(at(contender), wholeRequest(1), requests);

const settleMs = 300;

interface Window {
  readonly cpu: number;
  readonly milliseconds: number;
  readonly seen: Seen;
}

/** What a load that goes on did between two moments. */
async function window({ pid }: Contender, load: Load, milliseconds: number): Promise<Window> {
  await after(settleMs);
  const cpuBefore = cpuMicroseconds(pid);
  const seenBefore = { ...load.seen };
  const begun = performance.now();
  await after(milliseconds);
  const cpu = cpuMicroseconds(pid) - cpuBefore;
  const lasted = performance.now() - begun;
  const { requests, chunks, reads, wrong, ...rest } = load.seen;
  const seen = {
    requests: requests - seenBefore.requests,
    chunks: chunks - seenBefore.chunks,
    reads: reads - seenBefore.reads,
    wrong,
    ...rest,
  };
  await load.stop();
  return { cpu, milliseconds: lasted, seen };
}

const requestCase = (kilobytes: number): Case => ({
  name: `${kilobytes} KB`,
  rows: [
    { name: `${kilobytes} KB body: CPU per request, µs`, digits: 1, inHops: true },
    { name: `${kilobytes} KB body: requests per second`, digits: 0, inHops: false },
    { name: `${kilobytes} KB body: share of its core, %`, digits: 0, inHops: false },
  ],
  ownProcess: false,
  prepare: (contender) => askMany(at(contender), wholeRequest(kilobytes), 2000),
  async round(contender, _engine, milliseconds) {
    const load = await closedLoop(at(contender), wholeRequest(kilobytes), kilobytes === 100 ? 16 : 32);
    const { cpu, seen, milliseconds: lasted } = await window(contender, load, milliseconds);
    return { values: [cpu / seen.requests, (seen.requests / lasted) * 1000, cpu / lasted / 10], seen };
  },
});

const chunksPerStream = 100;

/** An engine's step takes 16 ms with few sequences and 32 ms with many. */
const streamCase = (streams: number, shape: StreamShape): Case => {
  const name = `${streams} streams ${shape.aligned ? 'aligned' : 'staggered'}`;
  const run = async (contender: Contender, milliseconds: number): Promise<Window> =>
    window(contender, await streaming(at(contender), streams, chunksPerStream, shape), milliseconds);
  return {
    name,
    rows: [
      { name: `${name}: CPU per chunk, µs`, digits: 1, inHops: true },
      { name: `${name}: chunks per read`, digits: 3, inHops: false },
    ],
    ownProcess: false,
    prepare: async (contender) => (await run(contender, 1500)).seen,
    async round(contender, _engine, milliseconds) {
      const { cpu, seen } = await run(contender, milliseconds);
      return { values: [cpu / seen.chunks, seen.chunks / seen.reads], seen };
    },
  };
};

const perSecond = 200;
const added = `${perSecond} req/s`;

/** Latency is what the contender takes beyond what the engine itself takes, asked at the same pace just before. */
const latencyCase: Case = {
  name: added,
  rows: [
    { name: `${added}: added latency p50, µs`, digits: 0, inHops: false },
    { name: `${added}: added latency p99, µs`, digits: 0, inHops: false },
    { name: `${added}: engine itself p50, µs`, digits: 0, inHops: false },
    { name: `${added}: engine itself p99, µs`, digits: 0, inHops: false },
    { name: `${added}: CPU per request, µs`, digits: 1, inHops: true },
  ],
  ownProcess: false,
  prepare: async (contender) => (await steadyArrival(at(contender), wholeRequest(1), perSecond, 500)).seen,
  async round(contender, engine, windowMs) {
    // Five of 500 requests would make a p99 of chance.
    const milliseconds = 2 * windowMs;
    const direct = await steadyArrival(engine, wholeRequest(1), perSecond, milliseconds);
    const before = cpuMicroseconds(contender.pid);
    const routed = await steadyArrival(at(contender), wholeRequest(1), perSecond, milliseconds);
    const cpu = cpuMicroseconds(contender.pid) - before;
    const micro = (share: number) => [direct, routed].map(({ latencies }) => quantile(latencies, share) * 1000);
    const [direct50 = 0, routed50 = 0] = micro(0.5);
    const [direct99 = 0, routed99 = 0] = micro(0.99);
    const { seen } = routed;
    return { values: [routed50 - direct50, routed99 - direct99, direct50, direct99, cpu / seen.requests], seen };
  },
};

export const sharedCases: readonly Case[] = [
  ...[1, 10, 100].map(requestCase),
  ...[false, true].map((aligned) => streamCase(64, { everyMs: 16, aligned })),
  ...[false, true].map((aligned) => streamCase(512, { everyMs: 32, aligned })),
  latencyCase,
];

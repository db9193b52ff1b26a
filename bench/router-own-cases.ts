import { readFileSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { Asker, seenNothing, type Target } from './asker.js';
import type { Contender } from './contenders.js';
import { cpuMicroseconds, residentKilobytes } from './process-tree.js';
import { silentStream, torrent } from './requests.js';
import { askFirst, at, type Case, fewRequests, warmUpRequests } from './router-cases.js';

const fewStreams = 1000;
const quietMs = 2000;

/** A proxy needs two descriptors for each stream, and some for itself. */
function manyStreams(): number {
  const limit = /Max open files +(\d+)/.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
  return Math.min(10_000, Math.floor((Number(limit ?? 1024) - 300) / 100) * 50);
}

/** A router that has not opened them by then is not one to wait for. */
const openingMs = 60_000;

interface Opened {
  readonly streams: Asker[];
  /** Why not all were opened. */
  readonly failure?: string;
}

/** Streams that have said one thing and are silent since. */
async function openStreams(target: Target, count: number): Promise<Opened> {
  const streams: Asker[] = [];
  const request = silentStream();
  const until = performance.now() + openingMs;
  let begun = 0;
  let failure: string | undefined;
  const openOne = async () => {
    const asker = await Asker.open(target);
    streams.push(asker);
    await asker.firstEvent(request);
  };
  const opening = Array.from({ length: 32 }, async () => {
    while (begun < count && failure === undefined) {
      begun += 1;
      await openOne().catch((error: Error) => {
        failure ??= `stream ${begun} of ${count}: ${error.message}`;
      });
      if (performance.now() > until) failure ??= `only ${begun} of ${count} streams in ${openingMs} ms`;
    }
  });
  await Promise.all(opening);
  return { streams, ...(failure === undefined ? {} : { failure }) };
}

/** Per cent of one core. */
async function cpuShare({ pid }: Contender, milliseconds: number): Promise<number> {
  const before = cpuMicroseconds(pid);
  const begun = performance.now();
  await after(milliseconds);
  return (cpuMicroseconds(pid) - before) / (performance.now() - begun) / 10;
}

const many = manyStreams();

/** What a router costs that has nothing to do: without streams, with 1000 silent ones, and with all that descriptors allow. */
export const idleCase: Case = {
  name: 'idle',
  rows: [
    { name: 'idle: CPU, % of a core', digits: 2, inHops: false },
    { name: `idle, ${fewStreams} silent streams: CPU, % of a core`, digits: 2, inHops: false },
    { name: `${fewStreams} silent streams: memory of each, KB`, digits: 1, inHops: true },
    { name: `${many} silent streams: memory of each, KB`, digits: 1, inHops: true },
    { name: 'memory before the streams, MB', digits: 0, inHops: false },
  ],
  ownProcess: true,
  // Few requests: a heap that has grown for many would hide a thousand streams. What V8 makes of the rest counts as theirs.
  prepare: (contender) => askFirst(contender, fewRequests),
  async round(contender, _engine, milliseconds) {
    await after(quietMs);
    const idle = await cpuShare(contender, milliseconds);
    const before = residentKilobytes(contender.pid);
    const few = await openStreams(at(contender), fewStreams);
    await after(quietMs);
    const withFew = residentKilobytes(contender.pid);
    const idleWithFew = await cpuShare(contender, milliseconds);
    const more = await openStreams(at(contender), many - fewStreams);
    await after(quietMs);
    const withMany = residentKilobytes(contender.pid);
    const streams = [...few.streams, ...more.streams];
    const lost = streams.filter(({ isOpen }) => !isOpen).length;
    for (const asker of streams) asker.close();
    const failure = few.failure ?? more.failure ?? (lost > 0 ? `${lost} of ${many} streams were closed` : undefined);
    const eachOf = (count: number, used: number, isRight: boolean) => (isRight ? (used - before) / count : Number.NaN);
    return {
      values: [
        idle,
        idleWithFew,
        eachOf(fewStreams, withFew, few.failure === undefined),
        eachOf(many, withMany, failure === undefined),
        before / 1024,
      ],
      seen: { ...seenNothing(), ...(failure === undefined ? {} : { wrong: 1, firstWrong: failure }) },
    };
  },
};

const slowClients = 16;
/** Far more than the kernel's buffers on the way, which take about 20 MB. */
const torrentBytes = 64 * 1024 * 1024;
const torrentMs = 5000;

/** Clients that ask for a stream and then read nothing of it, while the engine sends as fast as it can. */
export const slowCase: Case = {
  name: 'slow clients',
  rows: [{ name: `${slowClients} clients that do not read: memory of each, KB`, digits: 0, inHops: false }],
  ownProcess: true,
  prepare: (contender) => askFirst(contender, warmUpRequests),
  async round(contender) {
    await after(quietMs);
    const before = residentKilobytes(contender.pid);
    const request = torrent(torrentBytes);
    const clients = await Promise.all(Array.from({ length: slowClients }, () => Asker.open(at(contender))));
    for (const client of clients) client.askAndIgnore(request);
    let most = before;
    const until = performance.now() + torrentMs;
    while (performance.now() < until) {
      await after(50);
      most = Math.max(most, residentKilobytes(contender.pid));
    }
    for (const client of clients) client.close();
    return { values: [(most - before) / slowClients], seen: { ...seenNothing(), requests: slowClients } };
  },
};

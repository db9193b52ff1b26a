import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { Asker, type Seen, seenNothing, type Target } from './asker.js';
import { askMany } from './load.js';
import { cpuMicroseconds, residentKilobytes } from './process-tree.js';
import { silentStream, streamRequest, wholeRequest } from './requests.js';
import { type OurRouter, startOurs } from './router-ours.js';
import type { Site } from './router-site.js';
import { type Sample, slopeOf } from './slope.js';

/** What clients do, and how many of a hundred do it. */
const behaviours = {
  'whole answer to 1 KB': 70,
  'whole answer to 10 KB': 10,
  'stream of 50 chunks': 10,
  'leaves in the middle of a stream': 5,
  'leaves in the middle of its request': 3,
  'leaves before the answer': 2,
} as const;
type Behaviour = keyof typeof behaviours;
const hundred = Object.entries(behaviours).flatMap(([name, share]) => Array<Behaviour>(share).fill(name as Behaviour));

const shape = { everyMs: 8, aligned: false };
const chunks = 50;
const requests = {
  small: wholeRequest(1),
  medium: wholeRequest(10),
  stream: streamRequest(chunks, shape),
  silent: silentStream(),
};

/** Clients of a soak: each arrival takes a free connection, or opens one. */
class Crowd {
  readonly seen = seenNothing();
  readonly left = new Map<Behaviour, number>();
  readonly #target: Target;
  readonly #free: Asker[] = [];
  #arrived = 0;
  inFlight = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  async arrive(): Promise<void> {
    // 37 and 100 have no common divisor: each hundred arrivals has its shares, well mixed.
    const behaviour = hundred[(this.#arrived * 37) % 100] ?? 'whole answer to 1 KB';
    this.#arrived += 1;
    this.inFlight += 1;
    try {
      // The one that waited longest, so that none waits until the router gives it up.
      const asker = this.#free.shift() ?? (await Asker.open(this.#target));
      await this.#behave(asker, behaviour);
      if (asker.isOpen) this.#free.push(asker);
    } finally {
      this.inFlight -= 1;
    }
  }

  async #behave(asker: Asker, behaviour: Behaviour): Promise<void> {
    if (behaviour === 'whole answer to 1 KB') return asker.whole(requests.small, this.seen);
    if (behaviour === 'whole answer to 10 KB') return asker.whole(requests.medium, this.seen);
    if (behaviour === 'stream of 50 chunks') return asker.stream(requests.stream, chunks, this.seen);
    if (behaviour === 'leaves in the middle of a stream') await asker.firstEvent(requests.silent);
    else if (behaviour === 'leaves before the answer') asker.socket.write(requests.small);
    else asker.socket.write(requests.medium.subarray(0, 5000));
    // Time enough for the router to be in the middle of it.
    await after(this.#arrived % 20);
    asker.close();
    this.left.set(behaviour, (this.left.get(behaviour) ?? 0) + 1);
    return undefined;
  }

  async end(): Promise<void> {
    while (this.inFlight > 0) await after(50);
    for (const asker of this.#free) asker.close();
  }
}

const capacityMs = 10_000;
const crowdAtCapacity = 256;

/** Arrivals a second, when each client that is done is followed by the next at once. */
async function capacityOf(target: Target): Promise<number> {
  const crowd = new Crowd(target);
  const begun = performance.now();
  let arrivals = 0;
  await Promise.all(
    Array.from({ length: crowdAtCapacity }, async () => {
      for (; performance.now() < begun + capacityMs; arrivals += 1) await crowd.arrive();
    }),
  );
  const lasted = performance.now() - begun;
  await crowd.end();
  return (arrivals / lasted) * 1000;
}

/** More clients than this at once means that the router is behind: further ones are turned away here, and counted. */
const mostInFlight = 4000;

interface Soaked {
  readonly seen: Seen;
  readonly left: ReadonlyMap<string, number>;
  readonly turnedAway: number;
  readonly memory: readonly Sample[];
  /** Per cent of one core. */
  readonly cpuShare: number;
}

async function arrivals(router: OurRouter, perSecond: number, milliseconds: number): Promise<Soaked> {
  const crowd = new Crowd(at(router));
  const memory: Sample[] = [];
  const begun = performance.now();
  const cpuBefore = cpuMicroseconds(router.pid);
  let failure: Error | undefined;
  let due = 0;
  let turnedAway = 0;
  for (let now = 0; now < milliseconds; now = performance.now() - begun) {
    if (failure) throw failure;
    for (; due <= now; due += 1000 / perSecond) {
      if (crowd.inFlight >= mostInFlight) turnedAway += 1;
      else
        crowd.arrive().catch((error: Error) => {
          failure ??= error;
        });
    }
    if (now >= memory.length * 1000) memory.push({ atMs: now, value: residentKilobytes(router.pid) / 1024 });
    await after(1);
  }
  const cpuShare = (cpuMicroseconds(router.pid) - cpuBefore) / milliseconds / 10;
  await crowd.end();
  return { seen: crowd.seen, left: crowd.left, turnedAway, memory, cpuShare };
}

const at = ({ port }: OurRouter): Target => ({ host: '127.0.0.1', port });

interface Held {
  readonly descriptors: number;
  readonly sockets: number;
  readonly requestsInFlight: number;
  readonly engineConnections: number;
}

/** What the router holds open, as the kernel and as the router itself sees it. */
async function heldBy({ pid, metricsPort }: OurRouter): Promise<Held> {
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`, { headers: { connection: 'close' } });
  const metrics = await answer.text();
  const gauge = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(metrics)?.[1] ?? Number.NaN);
  const open = readdirSync(`/proc/${pid}/fd`);
  const sockets = open.filter((fd) => isSocket(`/proc/${pid}/fd/${fd}`)).length;
  return {
    descriptors: open.length,
    sockets,
    requestsInFlight: gauge('tandem_router_requests_in_flight'),
    engineConnections: gauge('tandem_router_engine_connections'),
  };
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('socket:');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** The pool lets idle engine connections go after four seconds; aborted legs end within ten. */
const quietMs = 15_000;

async function quietly(router: OurRouter): Promise<Held> {
  await after(quietMs);
  return heldBy(router);
}

const share = 0.7;

/** Drives our router at 70 % of what it can, and says what grew. */
export async function soak(site: Site, minutes: number, say: (text: string) => void): Promise<void> {
  const router = await startOurs(site, '/dev/null');
  try {
    await askMany(at(router), requests.small, 10_000);
    const capacity = await capacityOf(at(router));
    const before = await quietly(router);
    const perSecond = capacity * share;
    say(`${capacity.toFixed(0)} arrivals a second at most; ${perSecond.toFixed(0)} a second for ${minutes} minutes`);
    const soaked = await arrivals(router, perSecond, minutes * 60_000);
    const afterwards = await quietly(router);
    report(soaked, before, afterwards, say);
  } finally {
    await router.stop();
  }
}

function report(soaked: Soaked, before: Held, afterwards: Held, say: (text: string) => void): void {
  const { seen, left, turnedAway, memory, cpuShare } = soaked;
  // In its first fifth a process is still finding its size.
  const settled = memory.slice(Math.floor(memory.length / 5));
  const slope = slopeOf(settled);
  const mb = (sample: Sample | undefined) => sample?.value.toFixed(0) ?? '?';
  const most = Math.max(...memory.map(({ value }) => value));
  say(
    [
      '',
      '| soak | |',
      '| --- | --- |',
      `| answered whole | ${seen.requests}, ${seen.wrong} wrong${seen.firstWrong ? `: ${seen.firstWrong.replaceAll(/\s+/g, ' ').slice(0, 200)}` : ''} |`,
      ...[...left].map(([behaviour, count]) => `| ${behaviour} | ${count} |`),
      `| turned away before the router, which was behind | ${turnedAway} |`,
      `| CPU, % of a core | ${cpuShare.toFixed(0)} |`,
      `| memory at the start, after a fifth, at the end, most (MB) | ${mb(memory[0])}, ${mb(settled[0])}, ${mb(memory.at(-1))}, ${most.toFixed(0)} |`,
      `| growth after the first fifth, MB an hour, and its 95 % interval | ${slope ? `${slope.perHour.toFixed(1)} [${slope.low.toFixed(1)}..${slope.high.toFixed(1)}]` : 'too short to say'} |`,
      ...heldRows(before, afterwards),
    ].join('\n'),
  );
  if (seen.wrong > 0) throw new Error(`${seen.wrong} wrong answers: the numbers above mean nothing`);
}

const heldRows = (before: Held, afterwards: Held): readonly string[] =>
  (Object.keys(before) as (keyof Held)[]).map(
    (name) => `| ${name} before, and when all was quiet again | ${before[name]}, ${afterwards[name]} |`,
  );

import { type ChildProcess, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { Asker, seenNothing } from './asker.js';
import { type Contender, ended, line, pinned } from './contenders.js';
import { wholeRequest } from './requests.js';

/** The engines of a run, and where its files are. */
export interface Site {
  readonly folder: string;
  readonly enginePort: number;
  readonly prefill: readonly string[];
  readonly decode: readonly string[];
  /** A Python environment with the peer routers. */
  readonly peers?: string;
}

/** What can be started for a comparison. */
export interface Candidate {
  readonly name: string;
  /** A wrong answer of it ends the run; those of the others are counted. */
  readonly mustBeRight: boolean;
  /** Asks a prefill engine, and hands decode what it got: other than a plain hop. */
  readonly hasTwoLegs: boolean;
  /** What makes it available. */
  readonly toInstall: string;
  /** Undefined when it is not installed. */
  start(site: Site): Promise<Contender | undefined>;
}

export async function startEngines({ enginePort, prefill, decode }: Site): Promise<Pick<Contender, 'pid' | 'stop'>> {
  const script = new URL('./mock-engine.js', import.meta.url).pathname;
  const child = pinned(1, process.execPath, [script, String(enginePort), prefill.join(','), decode.join(',')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await line(child, /ready/);
  return { pid: child.pid ?? 0, stop: () => ended(child) };
}

export interface Legs {
  readonly prefill: number;
  readonly decode: number;
  /** Decode legs that carried what belongs to a prefill leg. */
  readonly handed: number;
}

/** What all engines were asked so far. */
export async function legsOf({ enginePort, decode }: Site): Promise<Legs> {
  const answer = await fetch(`http://${decode[0]}:${enginePort}/bench/legs`, { headers: { connection: 'close' } });
  return (await answer.json()) as Legs;
}

export const isInstalled = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args).error === undefined;

let started = 0;

/** A folder of its own for each process that is started. */
export function ownFolder(site: Site, name: string): string {
  started += 1;
  const folder = join(site.folder, `${name}-${started}`);
  mkdirSync(folder);
  return folder;
}

/** What can take this long to be ready or to end is broken. */
const startMs = 60_000;
const endMs = 10_000;

export interface Launch {
  readonly name: string;
  readonly folder: string;
  readonly port: number;
  readonly command: string;
  readonly args: readonly string[];
  /** What is left to say once it listens. */
  readonly ready?: () => Promise<void>;
}

/** Starts a router on its core, its output in a file as an access log is, and waits until it answers right. */
export async function launch({ name, folder, port, command, args, ready }: Launch): Promise<Contender> {
  const file = join(folder, 'output.log');
  const log = openSync(file, 'w');
  const child = pinned(0, command, args, { stdio: ['ignore', log, log] });
  closeSync(log);
  const stop = () => ended(child, endMs);
  try {
    await answersRight(child, port, ready);
  } catch (error) {
    await stop();
    throw new Error(`${name} did not start: ${readFileSync(file, 'utf8').slice(-2000)}`, { cause: error });
  }
  return { name, port, pid: child.pid ?? 0, stop };
}

async function answersRight(child: ChildProcess, port: number, ready: Launch['ready']): Promise<void> {
  const until = Date.now() + startMs;
  let last: unknown = 'it listens nowhere';
  let isReady = ready === undefined;
  while (child.exitCode === null && Date.now() < until) {
    try {
      if (!isReady) await ready?.();
      isReady = true;
      last = await askOnce(port);
      if (last === undefined) return;
    } catch (error) {
      last = error;
    }
    await after(100);
  }
  throw new Error(`no right answer within ${startMs} ms, or its end (code ${child.exitCode})`, { cause: last });
}

/** The wrong answer, if it is one. */
async function askOnce(port: number): Promise<string | undefined> {
  const asker = await Asker.open({ host: '127.0.0.1', port });
  const seen = seenNothing();
  try {
    await asker.whole(wholeRequest(1), seen);
  } finally {
    asker.close();
  }
  return seen.firstWrong;
}

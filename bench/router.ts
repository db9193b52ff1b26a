/**
 * What a prefill/decode request and a streamed chunk cost in the router, beside plain proxies and other routers in front of the
 * same engines. `make bench-router`; README.md beside this file says how it is measured and how to read it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../test/build/ports.js';
import { pinSelf } from './contenders.js';
import { measuredVersion } from './measured-node.js';
import { type Case, fewRequests, sharedCases, warmUpRequests } from './router-cases.js';
import { haproxy, nginx } from './router-hops.js';
import { type Options, readOptions } from './router-options.js';
import { tandem } from './router-ours.js';
import { idleCase, slowCase } from './router-own-cases.js';
import { peers } from './router-peers.js';
import { type Candidate, type Site, startEngines } from './router-site.js';
import { Results } from './router-table.js';
import { inOwnProcesses, inTurns, type Run, startAll } from './router-turns.js';
import { soak } from './soak.js';

const cases: readonly Case[] = [...sharedCases, idleCase, slowCase];
const candidates: readonly Candidate[] = [tandem, nginx, haproxy, ...peers];

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(options: Options): Promise<void> {
  if (cpus().length > 1) pinSelf();
  const folder = mkdtempSync(join(tmpdir(), 'tandem-bench-'));
  const site: Site = {
    folder,
    enginePort: await freePort(),
    prefill: ['127.0.7.1', '127.0.7.2'],
    decode: ['127.0.8.1', '127.0.8.2'],
    ...(options.peers === undefined ? {} : { peers: options.peers }),
  };
  const engines = await startEngines(site);
  try {
    if (options.soakMinutes === undefined) await compare(site, options);
    else await soak(site, options.soakMinutes, say);
  } finally {
    await engines.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(site: Site, { rounds, milliseconds, ...asked }: Options): Promise<void> {
  const chosen = cases.filter(({ name }) => asked.cases.length === 0 || asked.cases.some((c) => name.startsWith(c)));
  const wanted = candidates.filter(({ name }) => asked.contenders.length === 0 || asked.contenders.includes(name));
  const results = new Results();
  const engine = { host: site.decode[0] ?? '', port: site.enginePort };
  const run: Run = { site, engine, rounds, milliseconds, results, progress: (text) => process.stderr.write(text) };
  const shared = chosen.filter(({ ownProcess }) => !ownProcess);
  const present = await inTurnsOf(run, wanted, shared);
  for (const given of chosen.filter(({ ownProcess }) => ownProcess)) await inOwnProcesses(run, present, given);
  say(
    `Node ${measuredVersion()}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${rounds} rounds of ${milliseconds} ms, load average at the end ${loadavg()[0]?.toFixed(1)}\n`,
  );
  say(results.table());
}

/** The candidates that are installed. */
async function inTurnsOf(
  run: Run,
  wanted: readonly Candidate[],
  shared: readonly Case[],
): Promise<readonly Candidate[]> {
  const started = await startAll(run, wanted, shared.length > 0 ? warmUpRequests : fewRequests);
  for (const { name, toInstall } of wanted.filter((candidate) => !started.has(candidate)))
    say(`${name} is not here, so it is left out: ${toInstall}`);
  try {
    for (const given of shared) await inTurns(run, started, given);
  } finally {
    for (const contender of started.values()) await contender.stop();
  }
  return [...started.keys()];
}

const names = (of: readonly { readonly name: string }[]): readonly string[] => of.map(({ name }) => name);
const options = readOptions(process.argv.slice(2), names(cases), names(candidates));
if (options) await main(options);

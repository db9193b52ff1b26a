/**
 * What a prefill/decode request costs in the router, beside one plain nginx hop in front of the same engines.
 * `make bench`; README.md beside this file says how it is measured and how to read it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Contender, freePort, pinSelf, type Site, startEngines, startNginx, startOurs } from './contenders.js';
import { type Load, runLoad } from './load.js';
import { cpuMicroseconds } from './process-tree.js';
import { median, spread } from './statistics.js';

interface Case {
  readonly name: string;
  readonly unit: 'request' | 'chunk';
  readonly load: Omit<Load, 'port' | 'milliseconds'>;
}

const rounds = Math.max(5, Number(process.argv[2] ?? 5));
const milliseconds = Number(process.argv[3] ?? 1500);
/** Start of the names of the cases to run. */
const only = process.argv[4] ?? '';

const prompt = (bytes: number): string =>
  'The quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(bytes / 45)).slice(0, bytes);
const body = (bytes: number, more = ''): string =>
  `{${more}"model":"m","messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"${prompt(bytes)}"}],"max_tokens":20,"temperature":0.7,"seed":9007199254740993}`;

const cases: readonly Case[] = [
  ...[1, 10, 100].map(
    (kilobytes): Case => ({
      name: `${kilobytes} KB body`,
      unit: 'request',
      load: { body: body(kilobytes * 1024 - 200), connections: kilobytes === 100 ? 16 : 32, stream: false },
    }),
  ),
  ...[64, 512].map(
    (streams): Case => ({
      name: `${streams} streams`,
      unit: 'chunk',
      load: {
        body: body(800, `"chunks":100,"every":${streams / 4},"stream":true,`),
        connections: streams,
        stream: true,
      },
    }),
  ),
];

interface Measured {
  readonly cost: number;
  readonly perSecond: number;
  readonly wrong: number;
}

async function measure({ port, pid }: Contender, { load, unit }: Case, ms: number): Promise<Measured> {
  const before = cpuMicroseconds(pid);
  const served = await runLoad({ ...load, port, milliseconds: ms });
  const used = cpuMicroseconds(pid) - before;
  const units = unit === 'chunk' ? served.chunks : served.requests;
  return { cost: used / units, perSecond: (units / served.milliseconds) * 1000, wrong: served.wrong };
}

/** Contenders take turns inside each round, so that what disturbs the machine disturbs all of them. */
async function compare(contenders: readonly Contender[], given: Case): Promise<void> {
  const results = new Map<Contender, Measured[]>(contenders.map((contender) => [contender, []]));
  for (const contender of contenders) await measure(contender, given, Math.min(milliseconds, 1000));
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of contenders) results.get(contender)?.push(await measure(contender, given, milliseconds));
  }
  const [ours, base] = contenders;
  const baseline = base && results.get(base);
  for (const contender of contenders) {
    const all = results.get(contender) ?? [];
    const ratios = baseline ? all.map(({ cost }, i) => cost / (baseline[i]?.cost ?? Number.NaN)) : [];
    const ratio = contender === ours && baseline ? spread(ratios, 2) : baseline ? '1' : 'no nginx';
    print([
      given.name,
      contender.name,
      spread(
        all.map(({ cost }) => cost),
        1,
      ),
      given.unit,
      median(all.map(({ perSecond }) => perSecond)).toFixed(0),
      ratio,
    ]);
    const wrong = all.reduce((sum, { wrong }) => sum + wrong, 0);
    if (wrong > 0) throw new Error(`${contender.name} gave ${wrong} wrong answers: the numbers above mean nothing`);
  }
}

const widths = [12, 22, 24, 8, 8, 20];
const print = (cells: readonly string[]): void => {
  process.stdout.write(
    `${cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join(' ')
      .trimEnd()}\n`,
  );
};

async function main(): Promise<void> {
  if (cpus().length > 1) pinSelf();
  const folder = mkdtempSync(join(tmpdir(), 'tandem-bench-'));
  const site: Site = {
    folder,
    enginePort: await freePort(),
    prefill: ['127.0.7.1', '127.0.7.2'],
    decode: ['127.0.8.1', '127.0.8.2'],
  };
  const opened: { stop(): Promise<void> }[] = [];
  try {
    opened.push(await startEngines(site));
    const ours = await startOurs(site);
    opened.push(ours);
    const nginx = await startNginx(site);
    if (nginx) opened.push(nginx);
    else
      process.stdout.write(
        'nginx is not installed, so there is no ratio: apt-get install nginx, then run this again.\n',
      );
    process.stdout.write(
      `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${rounds} rounds of ${milliseconds} ms\n\n`,
    );
    print(['case', 'what', 'CPU us, median [range]', 'per', 'per s', 'in nginx hops']);
    for (const given of cases.filter(({ name }) => name.startsWith(only)))
      await compare(nginx ? [ours, nginx] : [ours], given);
  } finally {
    for (const part of opened.reverse()) await part.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();

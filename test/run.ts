/**
 * Runs the compiled suite with tap and ends with the plain line `N passed, N failed` (`, N skipped` may follow).
 *
 *     node dist/test/run.js [FILTER...]     only test files whose path contains one of the filters
 *
 * The real control plane takes part when its programs are found; with CI=true they are built first, and needed.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { cacheFolder, locateControlPlane, type Programs, programs } from './control-plane/locate.js';

const say = (line: string) => process.stdout.write(`${line}\n`);

interface Totals {
  readonly pass: number;
  readonly fail: number;
  readonly skip: number;
}

function testFiles(filters: readonly string[]): string[] {
  return readdirSync('dist/test', { recursive: true, encoding: 'utf8' })
    .map((file) => join('dist/test', file))
    .filter((file) => file.endsWith('.test.js') && existsSync(file.replace(/^dist\//, '').replace(/\.js$/, '.ts')))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort();
}

/** The programs for the tests, or a loud word about what is left out. */
function prepareControlPlane(): Programs | undefined {
  const required = process.env['CI'] === 'true';
  if (required && !isComplete(locateControlPlane())) {
    say('# CI: building the real control plane (about 10 CPU minutes when the cache is cold) ...');
    execFileSync('test/control-plane/build.sh', { stdio: ['ignore', 'ignore', 'inherit'] });
    process.env['KUBEBUILDER_ASSETS'] = cacheFolder(process.env);
  }
  const found = locateControlPlane();
  if (required && !isComplete(found))
    throw new Error('CI needs the real control plane, and test/control-plane/build.sh made none');
  if (isComplete(found)) return found;
  const lacking = found
    ? `these of its programs: ${programs.filter((name) => !found[name]).join(', ')}`
    : 'its programs';
  say('#');
  say(`# LEFT OUT: tests on a real kube-apiserver, kube-scheduler and etcd that need ${lacking}, which are not here.`);
  say('# `make control-plane` builds them once (Go, about 10 CPU minutes); KUBEBUILDER_ASSETS may name them too.');
  say('#');
  return found;
}

const isComplete = (found: Programs | undefined): boolean =>
  found !== undefined && programs.every((name) => found[name]);

/** Reads tap's own totals from its last lines; a missing line means the run died, which is a failure. */
function totalsOf(lines: readonly string[]): Totals | undefined {
  const line = lines.findLast((text) => /^# \{ total: \d+/.test(text));
  if (line === undefined) return undefined;
  const count = (name: string) => Number(new RegExp(`${name}: (\\d+)`).exec(line)?.[1] ?? 0);
  return { pass: count('pass'), fail: count('fail'), skip: count('skip') + count('todo') };
}

/** Prints one line a file as it ends, and the whole block of a file that fails. */
async function runTap(
  files: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ totals: Totals | undefined; code: number }> {
  const child = spawn('node_modules/.bin/tap', ['--reporter=tap', ...files], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 1)));
  const all: string[] = [];
  let block: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    all.push(line);
    block.push(line);
    if (!/^(not )?ok \d+ - /.test(line)) continue;
    const failed = line.startsWith('not ok');
    const name = line.replace(/^(not )?ok \d+ - /, '').replace(' {', '');
    say(failed ? `FAILED ${name}\n${block.join('\n')}` : `ok     ${name}${skipsOf(block)}`);
    block = [];
  }
  writeFileSync('dist/test-results.tap', `${all.join('\n')}\n`);
  return { totals: totalsOf(all), code: await ended };
}

function skipsOf(block: readonly string[]): string {
  const reasons = block.flatMap((line) => /# SKIP (.+)$/.exec(line)?.[1] ?? []);
  return reasons.length === 0 ? '' : `  (${reasons.length} skipped: ${[...new Set(reasons)].slice(0, 2).join('; ')})`;
}

const files = testFiles(process.argv.slice(2));
if (files.length === 0) throw new Error('no compiled test matches; run `make build` first');
const found = prepareControlPlane();
const folder = found?.kubectl ? dirname(found.kubectl) : undefined;
const env = { ...process.env, ...(folder && { PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}` }) };
mkdirSync('dist', { recursive: true });
const { totals, code } = await runTap(files, env);
const { pass, fail, skip } = totals ?? { pass: 0, fail: 1, skip: 0 };
const failed = code !== 0 && fail === 0 ? 1 : fail;
say(`\n${pass} passed, ${failed} failed${skip > 0 ? `, ${skip} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;

/**
 * A test runner of Stryker for the pure core: test files are loaded once and their cases run again for each mutant, in one
 * process, so a mutant costs milliseconds. What a mutant changes while modules load (tables, patterns) is loaded anew.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { register } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { INSTRUMENTER_CONSTANTS, type InstrumenterContext, type StrykerOptions } from '@stryker-mutator/api/core';
import { commonTokens, declareClassPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin';
import {
  type CompleteDryRunResult,
  type DryRunResult,
  DryRunStatus,
  determineHitLimitReached,
  type MutantRunOptions,
  type MutantRunResult,
  MutantRunStatus,
  type TestResult,
  type TestRunner,
  type TestRunnerCapabilities,
  TestStatus,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner';
import { type Case, runCase, takeCases } from './tap.js';

/** A case with a name that is the same in every process. */
interface NamedCase extends Case {
  readonly id: string;
}

interface InProcessOptions {
  readonly folders: readonly string[];
  /** Test files that are left out: names without folder and ending. */
  readonly except: readonly string[];
}

/** Mutated code asks here which mutant is on, and says here what it runs. */
const instrumented: { -readonly [K in keyof InstrumenterContext]: InstrumenterContext[K] | undefined } =
  Reflect.get(globalThis, INSTRUMENTER_CONSTANTS.NAMESPACE) ?? {};
Reflect.set(globalThis, INSTRUMENTER_CONSTANTS.NAMESPACE, instrumented);

class InProcessRunner implements TestRunner {
  static readonly inject = tokens(commonTokens.options);
  readonly #options: InProcessOptions;
  /** The modules of generation 0 are never loaded with a mutant on. */
  #cases: Promise<readonly NamedCase[]> | undefined;
  #generation = 0;
  /** Milliseconds that a case took when nothing was mutated: quick ones go first, because the first failure ends a run. */
  readonly #durations = new Map<string, number>();
  /** What each case runs: how often by mutant. */
  #hits: Readonly<Record<string, Readonly<Record<string, number>>>> = {};

  constructor(options: StrykerOptions) {
    this.#options = options['inProcess'] as InProcessOptions;
  }

  capabilities(): TestRunnerCapabilities {
    return { reloadEnvironment: true };
  }

  init(): Promise<void> {
    register('./resolve.js', import.meta.url);
    return Promise.resolve();
  }

  async dryRun(): Promise<DryRunResult> {
    const cases = await this.#pristine();
    const tests: TestResult[] = [];
    for (const one of cases) {
      instrumented.currentTestId = one.id;
      const result = await run(one);
      this.#durations.set(one.id, result.timeSpentMs);
      tests.push(result);
    }
    instrumented.currentTestId = undefined;
    this.#hits = structuredClone(instrumented.mutantCoverage?.perTest ?? {});
    return { status: DryRunStatus.Complete, tests, ...coverage() };
  }

  async mutantRun(options: MutantRunOptions): Promise<MutantRunResult> {
    const { activeMutant, hitLimit, mutantActivation, testFilter, sandboxFileName } = options;
    const isStatic = mutantActivation === 'static';
    if (!isStatic) await this.#pristine();
    instrumented.hitLimit = hitLimit;
    instrumented.hitCount = hitLimit === undefined ? undefined : 0;
    instrumented.activeMutant = activeMutant.id;
    try {
      const cases = isStatic ? await this.#load(`?generation=${++this.#generation}`) : await this.#pristine();
      const wanted = testFilter ? new Set(testFilter) : this.#casesOf(sandboxFileName);
      return toMutantRunResult(
        await this.#untilFailure(wanted ? cases.filter(({ id }) => wanted.has(id)) : cases, hitLimit),
      );
    } catch (error) {
      // The mutant kept a module from being loaded, so every test that imports it fails.
      return { status: MutantRunStatus.Killed, killedBy: [], failureMessage: String(error), nrOfTests: 0 };
    } finally {
      instrumented.activeMutant = undefined;
    }
  }

  /** The cases that run anything of a file; undefined, so all, where none does or this process has not seen them run. */
  #casesOf(file: string): ReadonlySet<string> | undefined {
    const ids = [...readFileSync(file, 'utf8').matchAll(/stryMutAct_\w+\("(\d+)"\)/g)].map(([, id = '']) => id);
    const covering = Object.entries(this.#hits).filter(([, hits]) => ids.some((id) => hits[id] !== undefined));
    return covering.length > 0 ? new Set(covering.map(([id]) => id)) : undefined;
  }

  async #untilFailure(cases: readonly NamedCase[], hitLimit: number | undefined): Promise<DryRunResult> {
    const tests: TestResult[] = [];
    const quickFirst = [...cases].sort((a, b) => this.#duration(a) - this.#duration(b));
    for (const one of quickFirst) {
      const result = await run(one);
      const endless = determineHitLimitReached(instrumented.hitCount, hitLimit);
      if (endless) return endless;
      tests.push(result);
      if (result.status === TestStatus.Failed) break;
    }
    return { status: DryRunStatus.Complete, tests };
  }

  readonly #duration = ({ id }: NamedCase): number => this.#durations.get(id) ?? 0;

  #pristine(): Promise<readonly NamedCase[]> {
    this.#cases ??= this.#load('');
    return this.#cases;
  }

  async #load(generation: string): Promise<readonly NamedCase[]> {
    const all: NamedCase[] = [];
    for (const file of testFiles(this.#options)) {
      await import(pathToFileURL(resolve(file)).href + generation);
      for (const [index, one] of takeCases().entries()) all.push({ ...one, id: `${file} ${index} ${one.title}` });
    }
    return all;
  }
}

/** Compiled test files whose source is still there. */
function testFiles({ folders, except }: InProcessOptions): readonly string[] {
  const left = new Set(except.map((name) => `${name}.test.js`));
  return folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.test.js') && !left.has(name))
      .map((name) => `${folder}/${name}`)
      .filter((file) => existsSync(file.replace(/^dist\//, '').replace(/\.js$/, '.ts')))
      .sort(),
  );
}

async function run(one: NamedCase): Promise<TestResult> {
  const { id, title: name } = one;
  const started = performance.now();
  const timeSpentMs = () => Math.round(performance.now() - started);
  try {
    await runCase(one);
    return { id, name, timeSpentMs: timeSpentMs(), status: TestStatus.Success };
  } catch (error) {
    const failureMessage = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { id, name, timeSpentMs: timeSpentMs(), status: TestStatus.Failed, failureMessage };
  }
}

/** What runs in a case and while modules load is judged by the case: only what nothing else runs needs new modules. */
function coverage(): Pick<CompleteDryRunResult, 'mutantCoverage'> {
  const { mutantCoverage } = instrumented;
  if (!mutantCoverage) return {};
  const { perTest } = mutantCoverage;
  const inCases = new Set(Object.values(perTest).flatMap((hits) => Object.keys(hits)));
  const whileLoading = Object.entries(mutantCoverage.static).filter(([id]) => !inCases.has(id));
  return { mutantCoverage: { perTest, static: Object.fromEntries(whileLoading) } };
}

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'in-process', InProcessRunner)];

const texts = { type: 'array', items: { type: 'string' } };

export const strykerValidationSchema = {
  type: 'object',
  properties: {
    inProcess: {
      type: 'object',
      properties: { folders: texts, except: texts },
      required: ['folders', 'except'],
    },
  },
  required: ['inProcess'],
};

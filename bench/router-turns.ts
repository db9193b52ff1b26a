import type { Seen, Target } from './asker.js';
import type { Contender } from './contenders.js';
import { askFirst, type Case, type Round } from './router-cases.js';
import { type Candidate, legsOf, type Site } from './router-site.js';
import type { Results } from './router-table.js';

export interface Run {
  readonly site: Site;
  readonly engine: Target;
  readonly rounds: number;
  readonly milliseconds: number;
  readonly results: Results;
  readonly progress: (text: string) => void;
}

/** Starts those that are installed, and asks each so many requests first. */
export async function startAll(
  run: Run,
  candidates: readonly Candidate[],
  requests: number,
): Promise<ReadonlyMap<Candidate, Contender>> {
  const started = new Map<Candidate, Contender>();
  try {
    for (const candidate of candidates) {
      const contender = await candidate.start(run.site);
      if (!contender) continue;
      started.set(candidate, contender);
      run.progress(`${candidate.name} is up\n`);
      await judged(run, candidate, 'warm-up', async () => ({
        values: [],
        seen: await warmedUp(run, candidate, contender, requests),
      }));
    }
  } catch (error) {
    for (const contender of started.values()) await contender.stop();
    throw error;
  }
  return started;
}

/** A router that does less than two legs is compared with nothing here. */
async function warmedUp(
  { site }: Run,
  { hasTwoLegs }: Candidate,
  contender: Contender,
  requests: number,
): Promise<Seen> {
  const before = await legsOf(site);
  const seen = await askFirst(contender, requests);
  const legs = await legsOf(site);
  const both = Math.min(legs.prefill - before.prefill, legs.handed - before.handed);
  if (!hasTwoLegs || both >= seen.requests) return seen;
  const firstWrong = `only ${both} of ${seen.requests} requests had a prefill leg and a decode leg that belongs to it`;
  return { ...seen, wrong: seen.requests - both, firstWrong };
}

/** Contenders take turns inside each round, so that what disturbs the machine disturbs all of them. */
export async function inTurns(run: Run, started: ReadonlyMap<Candidate, Contender>, given: Case): Promise<void> {
  for (const [candidate, contender] of started)
    await judged(run, candidate, given.name, async () => ({ values: [], seen: await given.prepare(contender) }));
  for (let round = 0; round < run.rounds; round += 1) {
    run.progress(`${given.name}, round ${round + 1} of ${run.rounds}\n`);
    for (const [candidate, contender] of started) {
      const measured = await judged(run, candidate, given.name, () =>
        given.round(contender, run.engine, run.milliseconds),
      );
      if (measured) run.results.add(given, candidate.name, measured.values);
    }
  }
}

/** Each of such rounds takes about twenty seconds a contender. */
const mostOwnRounds = 3;

export async function inOwnProcesses(run: Run, candidates: readonly Candidate[], given: Case): Promise<void> {
  const rounds = Math.min(run.rounds, mostOwnRounds);
  for (let round = 0; round < rounds; round += 1) {
    run.progress(`${given.name}, round ${round + 1} of ${rounds}\n`);
    for (const candidate of candidates) {
      const measured = await judged(run, candidate, given.name, () => onceInOwnProcess(run, candidate, given));
      if (measured) run.results.add(given, candidate.name, measured.values);
    }
  }
}

async function onceInOwnProcess(run: Run, candidate: Candidate, given: Case): Promise<Round> {
  const contender = await candidate.start(run.site);
  if (!contender) throw new Error(`${candidate.name} was here, and is gone`);
  try {
    await given.prepare(contender);
    return await given.round(contender, run.engine, run.milliseconds);
  } finally {
    await contender.stop();
  }
}

/** Counts wrong answers and failures; those of a candidate that must be right end the run. */
async function judged(
  { results }: Run,
  { name, mustBeRight }: Candidate,
  during: string,
  work: () => Promise<Round>,
): Promise<Round | undefined> {
  try {
    const round = await work();
    const { wrong, firstWrong } = round.seen;
    if (wrong > 0 && mustBeRight) throw new Error(`${wrong} wrong answers, the first: ${firstWrong}`);
    if (wrong > 0) results.complain(name, during, `${wrong} wrong answers, the first: ${firstWrong}`);
    return round;
  } catch (error) {
    if (mustBeRight) throw new Error(`${name} failed in ${during}: ${(error as Error).message}`, { cause: error });
    results.complain(name, during, (error as Error).message);
    return undefined;
  }
}

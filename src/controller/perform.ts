/** The order and pace in which the steps of one plan are performed. */
import type { Step } from '../core/rollout/step.js';
import { execute } from './execute.js';
import type { ExecuteContext, Refused } from './execution.js';

export interface Outcome {
  /** Steps performed. */
  readonly done: number;
  readonly refusals: readonly Refused[];
  /** The first failure that is no refusal; the plan is made and tried again. */
  readonly failure: unknown;
}

/** Requests in flight for one serving. */
const width = 24;

/** What the pods need comes first; what is left over goes last. */
const phases: readonly { readonly kinds: readonly Step['do'][]; readonly width: number; readonly required: boolean }[] =
  [
    { kinds: ['create-revision', 'record-inputs', 'adopt'], width: 4, required: true },
    { kinds: ['create-pod-group', 'update-pod-group'], width: 8, required: true },
    { kinds: ['delete-pod'], width, required: false },
    { kinds: ['create-pod', 'create-service'], width, required: false },
    { kinds: ['delete-service', 'delete-pod-group', 'delete-revision', 'report'], width, required: false },
  ];

export async function perform(steps: readonly Step[], context: ExecuteContext): Promise<Outcome> {
  const results: Result[] = [];
  for (const { kinds, width: limit, required } of phases) {
    const own = steps.filter((step) => kinds.includes(step.do));
    const phase = await performPhase(own, limit, context);
    results.push(...phase);
    if (context.signal.aborted || (required && phase.some(isBad))) break;
  }
  return {
    done: results.filter((result) => !isBad(result)).length,
    refusals: results.flatMap(({ refused }) => (refused === undefined ? [] : [refused])),
    failure: results.find(({ failure }) => failure !== undefined)?.failure,
  };
}

/** Slowly at first: a webhook or quota that refuses one pod refuses them all, and need not be asked a hundred times. */
async function performPhase(steps: readonly Step[], limit: number, context: ExecuteContext): Promise<Result[]> {
  const results: Result[] = [];
  for (let size = 1, from = 0; from < steps.length; from += size, size = Math.min(limit, size * 2)) {
    results.push(...(await Promise.all(steps.slice(from, from + size).map((step) => attempt(step, context)))));
    if (context.signal.aborted || results.some(speaksForAll)) break;
  }
  return results;
}

interface Result {
  readonly refused?: Refused;
  readonly failure?: unknown;
}

const isBad = ({ refused, failure }: Result): boolean => refused !== undefined || failure !== undefined;

const speaksForAll = (result: Result): boolean => isBad(result) && result.refused?.alone !== true;

async function attempt(step: Step, context: ExecuteContext): Promise<Result> {
  try {
    const refused = await execute(step, context);
    return refused === undefined ? {} : { refused };
  } catch (failure) {
    return { failure };
  }
}

import type { Pod } from '../src/api/kube.js';
import { describeError, TandemError } from '../src/base/errors.js';
import { type Advice, advise, allowNodes, type Filtered, policyOf } from '../src/core/placement/advice.js';
import { type Logger, once } from '../src/telemetry/log.js';
import { type Arguments, filterResult, hostPriorities, readArguments } from './kube-wire.js';
import type { ExtenderMetrics, Neutral, Verb } from './metrics.js';
import type { View } from './view.js';
import { readVolcanoQuestion, volcanoScores } from './volcano-wire.js';

/** One verb: a parsed body in, the text of the answer out. Throws only for a body that is not the protocol. */
export type Answer = (body: unknown) => string;

export interface AnswerOptions {
  readonly view: View;
  readonly metrics: ExtenderMetrics;
  readonly logger: Logger;
  /** Milliseconds after which an answer is neutral; well below the scheduler's httpTimeout. */
  readonly deadline: number;
  /** Monotonic milliseconds. */
  readonly elapsed: () => number;
}

/** The verbs that schedulers are configured with. They read the view; the only trace they leave is an expectation. */
export function createAnswers(options: AnswerOptions): Readonly<Record<Verb, Answer>> {
  const warn = once(options.logger);
  let filterIsAsked = false;
  return {
    prioritize: (body) => {
      const args = readArguments(body);
      warnOfWholeNodes(args, warn);
      if (!filterIsAsked) warnOfSoftHardMode(options, args, warn);
      const advice = adviseSafely(options, 'prioritize', { ...args, placed: undefined });
      return hostPriorities(args.names, scoreOf(advice));
    },
    filter: (body) => {
      filterIsAsked = true;
      const args = readArguments(body);
      warnOfWholeNodes(args, warn);
      const { allowed, rejected } = filterSafely(options, args);
      for (const reason of new Set(rejected.values())) {
        options.metrics.rejectedNodes(reason, [...rejected.values()].filter((r) => r === reason).length);
      }
      return filterResult(args, allowed, byRemedy(rejected));
    },
    'volcano-prioritize': (body) => {
      const question = readVolcanoQuestion(body);
      const advice = adviseSafely(options, 'volcano-prioritize', question);
      // Volcano adds scores as they are, and its own plugins give 0 to 100 times a weight.
      const score = scoreOf(advice);
      return volcanoScores(question.names, (name) => score(name) * 100);
    },
  };
}

interface Question {
  readonly pod: Pod;
  readonly names: readonly string[];
  readonly placed: ReadonlyMap<string, string> | undefined;
}

const noScore = () => 0;

const scoreOf = (advice: Advice | undefined): ((name: string) => number) =>
  advice?.kind === 'scores' ? (name) => advice.scores.get(name) ?? 0 : noScore;

/** undefined is the neutral answer, counted with its reason: a scheduler must never wait for us or fail because of us. */
function adviseSafely(options: AnswerOptions, verb: Verb, { pod, names, placed }: Question): Advice | undefined {
  return safely(options, verb, ({ isLate, isPlanLate }) => {
    const { view } = options;
    const advice = advise(view.surroundings(isLate, placed), view.plan(isPlanLate), pod, names);
    if (advice.kind === 'neutral') options.metrics.neutral(verb, advice.why);
    else if (advice.probable !== undefined) view.expectations.expect(pod, advice.probable);
    return advice;
  });
}

function filterSafely(options: AnswerOptions, args: Arguments): Filtered {
  const everything: Filtered = { allowed: args.names, rejected: new Map() };
  const filtered = safely(options, 'filter', ({ isLate, isPlanLate }) => {
    const around = options.view.surroundings(isLate);
    // Asked first, because most pods are not in hard mode and need no plan.
    if (policyOf(around, args.pod).mode !== 'required') return everything;
    return allowNodes(around, options.view.plan(isPlanLate), args.pod, args.names);
  });
  return filtered ?? everything;
}

interface Time {
  readonly isLate: () => boolean;
  /** Planning ahead for everybody gets a fifth: the rest is for the pod that is asked about. */
  readonly isPlanLate: () => boolean;
}

function safely<T>(options: AnswerOptions, verb: Verb, answer: (time: Time) => T): T | undefined {
  const { metrics, elapsed, deadline, view } = options;
  const begun = elapsed();
  const neutral = (why: Neutral): undefined => metrics.neutral(verb, why) as undefined;
  const after = (share: number) => () => elapsed() - begun > deadline * share;
  try {
    if (view.notReady() !== undefined) return neutral('not-synced');
    return answer({ isLate: after(1), isPlanLate: after(0.2) });
  } catch (error) {
    if (error instanceof TandemError && error.code === 'placement-late') return neutral('late');
    options.logger.error({ verb, error: describeError(error) }, 'no advice could be given; the answer is neutral');
    return neutral('failed');
  } finally {
    metrics.answered(verb, (elapsed() - begun) / 1000);
  }
}

/**
 * Preemption on a node outside the group's domain would evict pods for nothing, so such nodes are named as unresolvable;
 * where only room is missing, it may help.
 */
function byRemedy(rejected: Filtered['rejected']) {
  const failed = new Map<string, string>();
  const unresolvable = new Map<string, string>();
  for (const [name, reason] of rejected) {
    (reason === 'tandem: outside the domain of the group' ? unresolvable : failed).set(name, reason);
  }
  return { failed, unresolvable };
}

function warnOfWholeNodes({ nodes }: Arguments, warn: ReturnType<typeof once>): void {
  if (nodes === undefined) return;
  warn(
    'whole-nodes',
    'the scheduler sends whole nodes; set nodeCacheCapable: true, or it sees every node as empty (kubernetes#141781)',
  );
}

/** Without the filter call the hard mode is a strong wish only, which its user must be told. */
function warnOfSoftHardMode({ view }: AnswerOptions, { pod }: Arguments, warn: ReturnType<typeof once>): void {
  if (
    policyOf(
      view.surroundings(() => false),
      pod,
    ).mode !== 'required'
  )
    return;
  warn(
    'no-filter-verb',
    'a ModelServing requires a placement level, but the scheduler never asks /filter; set filterVerb: filter for this extender',
    { pod: pod.metadata.name },
  );
}

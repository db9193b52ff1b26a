import type { Pair } from '../src/core/pairing/choose-pair.js';
import { Collector, type EngineAnswer } from './collect.js';
import type { Dialect, Handover } from './dialects/dialect.js';
import { EngineFailure } from './engine/failure.js';
import type { Call } from './engine/pool.js';
import { EngineBody } from './engine-body.js';
import { closeLeg, type Job, openLeg } from './job.js';
import { JsonError } from './json-cursor.js';
import { deadlinesOf } from './leg-terms.js';
import type { Room } from './room.js';

export type PrefillEnd =
  | { readonly kind: 'handover'; readonly handover: Handover; readonly answer: EngineAnswer }
  | { readonly kind: 'no-handover'; readonly why: string }
  | { readonly kind: 'answered'; readonly answer: EngineAnswer }
  | { readonly kind: 'failed'; readonly failure: EngineFailure };

/** An answer of one token is small; block ids of a long prompt and log-probabilities are what can grow. */
const largestAnswer = 16 * 1024 * 1024;

/** Asks the prefill pod to compute the prompt. Never fails for what an engine does. */
export function runPrefill(room: Room, job: Job, dialect: Dialect, pair: Pair): Promise<PrefillEnd> {
  const record = openLeg(job, 'prefill', pair.prefill);
  return new Promise((resolve) => {
    callPrefill(room, job, { dialect, pair }, (answer) => {
      const end = answer instanceof EngineFailure ? failed(answer) : readHandover(answer, dialect, pair);
      closeLeg(record, outcomeOf(end));
      resolve(end);
    });
  });
}

const failed = (failure: EngineFailure): PrefillEnd => ({ kind: 'failed', failure });

function outcomeOf(end: PrefillEnd): string {
  switch (end.kind) {
    case 'handover':
      return 'ok';
    case 'answered':
      return String(end.answer.status);
    case 'failed':
      return end.failure.fault;
    case 'no-handover':
      return end.kind;
  }
}

function callPrefill(
  room: Room,
  job: Job,
  { dialect, pair }: { readonly dialect: Dialect; readonly pair: Pair },
  over: (end: EngineAnswer | EngineFailure) => void,
): void {
  if (job.answer.clientLeft) {
    over(new EngineFailure('connect', 'aborted', 'the client left'));
    return;
  }
  const leaving = new Leaving(room);
  const collector = new Collector(largestAnswer, (end) => {
    leaving.over(end);
    over(end);
  });
  const request = job.head.request(pair.prefill, dialect.prefill(job.body), deadlinesOf(room, job.view, 'prefill'));
  leaving.call = room.pool.request(pair.prefill, request, collector, true);
  leaving.collector = collector;
  job.answer.whenLeft(() => {
    if (dialect.whenClientLeaves['during-prefill'] === 'abort') leaving.call?.abort('the client left');
    else leaving.begin();
  });
}

/**
 * The client is gone. An engine that lacks a part of the request has computed nothing. One that has it all may hold the KV
 * already, with its answer on the way, and nothing but a delivered decode leg frees that: so the one token may end. A
 * prompt that takes longer than the bound is given up; that its abort meets the end of the computation is then unlikely.
 */
class Leaving {
  call: Call | undefined;
  collector: Collector | undefined;
  readonly #room: Room;
  #timer: NodeJS.Timeout | undefined;

  constructor(room: Room) {
    this.#room = room;
  }

  begin(): void {
    const { limits, metrics } = this.#room;
    if (this.call?.delivered === false) {
      metrics.abandoned('prefill', 'unsent');
      this.call.abort('the client left');
      return;
    }
    this.#timer = setTimeout(() => this.#giveUp(), limits.abandonedMs);
  }

  over(end: EngineAnswer | EngineFailure): void {
    clearTimeout(this.#timer);
    if (end instanceof EngineFailure) this.call?.abort(end.message);
  }

  #giveUp(): void {
    const { limits, metrics } = this.#room;
    if (this.collector?.headSeen) return; // the rest of the answer has the limit of every answer
    metrics.abandoned('prefill', 'aborted');
    this.call?.abort(`the client left, and no answer came within ${limits.abandonedMs / 1000} s`);
  }
}

/** What prefill's answer is for the decode pod of this pair. */
export function readHandover(answer: EngineAnswer, dialect: Dialect, pair: Pair): PrefillEnd {
  if (answer.status >= 300) return { kind: 'answered', answer };
  try {
    const handover = dialect.handover(new EngineBody(answer.body), pair);
    if ('missing' in handover) return { kind: 'no-handover', why: handover.missing };
    return { kind: 'handover', handover, answer };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return {
      kind: 'failed',
      failure: new EngineFailure('body', 'protocol', `the answer is not JSON: ${error.message}`, error),
    };
  }
}

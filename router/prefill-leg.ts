import type { Pair } from '../src/core/pairing/choose-pair.js';
import { Collector, type EngineAnswer } from './collect.js';
import type { Dialect, Handover } from './dialects/dialect.js';
import { EngineFailure } from './engine/failure.js';
import type { Call } from './engine/pool.js';
import { closeLeg, type Job, openLeg } from './job.js';
import { JsonError } from './json-cursor.js';
import { deadlinesOf, type Room } from './room.js';
import { SplicedBody } from './spliced-body.js';

export type PrefillEnd =
  | { readonly kind: 'handover'; readonly handover: Handover }
  | { readonly kind: 'no-handover'; readonly why: string }
  | { readonly kind: 'answered'; readonly answer: EngineAnswer }
  | { readonly kind: 'failed'; readonly failure: EngineFailure };

/** An answer of one token is small; block ids of a long prompt and log-probabilities are what can grow. */
const largestAnswer = 16 * 1024 * 1024;

/** Asks the prefill pod to compute the prompt. Never throws for what an engine does. */
export async function runPrefill(room: Room, job: Job, dialect: Dialect, pair: Pair): Promise<PrefillEnd> {
  const record = openLeg(job, 'prefill', pair.prefill);
  try {
    const answer = await callPrefill(room, job, dialect, pair);
    const end = read(answer, dialect, pair);
    closeLeg(record, end.kind === 'handover' ? 'ok' : end.kind === 'answered' ? String(answer.status) : end.kind);
    return end;
  } catch (error) {
    if (!(error instanceof EngineFailure)) throw error;
    closeLeg(record, error.fault);
    return { kind: 'failed', failure: error };
  }
}

async function callPrefill(room: Room, job: Job, dialect: Dialect, pair: Pair): Promise<EngineAnswer> {
  if (job.answer.clientLeft) throw new EngineFailure('connect', 'aborted', 'the client left');
  const collector = new Collector(largestAnswer);
  const request = job.head.request(pair.prefill, dialect.prefill(job.body), deadlinesOf(room, job.view, 'prefill'));
  const call = room.pool.request(pair.prefill, request, collector, true);
  collector.onTooLarge = () => call.abort('the answer is too large');
  job.answer.whenLeft(() => {
    if (dialect.whenClientLeaves['during-prefill'] === 'abort') call.abort('the client left');
    else leave(room, call, collector);
  });
  return collector.answer;
}

/**
 * The client is gone. An engine that lacks a part of the request has computed nothing. One that has it all may hold the KV
 * already, with its answer on the way, and nothing but a delivered decode leg frees that: so the one token may end. A
 * prompt that takes longer than the bound is given up; that its abort meets the end of the computation is then unlikely.
 */
function leave({ limits, metrics }: Room, call: Call, collector: Collector): void {
  if (!call.delivered) {
    metrics.abandoned('prefill', 'unsent');
    call.abort('the client left');
    return;
  }
  const giveUp = () => {
    if (collector.headSeen) return; // the rest of the answer has the limit of every answer
    metrics.abandoned('prefill', 'aborted');
    call.abort(`the client left, and no answer came within ${limits.abandonedMs / 1000} s`);
  };
  const timer = setTimeout(giveUp, limits.abandonedMs);
  const clear = () => clearTimeout(timer);
  void collector.answer.then(clear, clear);
}

function read(answer: EngineAnswer, dialect: Dialect, pair: Pair): PrefillEnd {
  if (answer.status >= 300) return { kind: 'answered', answer };
  try {
    const body = SplicedBody.scan(answer.body, (key) => dialect.reads.includes(key));
    const handover = dialect.handover(body, pair);
    return 'missing' in handover ? { kind: 'no-handover', why: handover.missing } : { kind: 'handover', handover };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return {
      kind: 'failed',
      failure: new EngineFailure('body', 'protocol', `the answer is not JSON: ${error.message}`, error),
    };
  }
}

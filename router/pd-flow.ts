import type { TandemError } from '../src/base/errors.js';
import { choosePair, type Pair, pairFor } from '../src/core/pairing/choose-pair.js';
import type { Endpoint } from '../src/core/pairing/endpoint.js';
import { runAnswerLeg } from './answer-leg.js';
import type { EngineAnswer } from './collect.js';
import { type Dialect, type Handover, oneTokenNoStream } from './dialects/dialect.js';
import { describeLegs, type Job, type LegName } from './job.js';
import { askedBy, attemptsOf, avoid, failureError } from './leg-terms.js';
import { type PrefillEnd, readHandover, runPrefill } from './prefill-leg.js';
import type { RelayEnd } from './relay.js';
import type { Room } from './room.js';
import { routerErrors } from './router-errors.js';

/** Why an attempt did not serve the client, while nothing has been sent to it. */
export interface Unserved {
  readonly error: TandemError;
  /** The engine's own words, when it had any. */
  readonly answer?: EngineAnswer;
  /** The pod that failed: another one is asked, if there is one. */
  readonly blame?: Endpoint;
  /** Only the connection broke: for want of another pod the same one may be asked again. */
  readonly mayRecover?: boolean;
  /** Whether decode could still answer alone. */
  readonly prefillFailed: boolean;
  /** What prefill has computed and no decode pod has seen. */
  readonly untaken?: Untaken;
}

interface Untaken {
  readonly prefill: Endpoint;
  /** Where the handover is read from anew for each decode pod. */
  readonly answer: EngineAnswer;
  /** Why the last decode pod could not be reached. */
  readonly why: string;
}

/** `undefined`: the client has been answered, or has left. */
export type Outcome = Unserved | undefined;

/**
 * Prefill, then decode, each attempt with another pair; nothing is tried again once the client has got a byte. A handover
 * that no engine has seen is offered to another decode pod before prefill is asked again, also for a client who left: it frees the KV.
 */
export async function servePair(room: Room, job: Job, dialect: Dialect): Promise<Outcome> {
  const without = new Set<string>();
  const attempts = attemptsOf(room, job.view);
  let last: Unserved | undefined;
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const pair = nextPair(room, job, without, last);
    if ('none' in pair) {
      last ??= noPair(job, pair.none);
      break;
    }
    const isTaker = last?.untaken?.prefill === pair.prefill;
    if (!isTaker) noteUntaken(room, job, dialect, last);
    last = await attemptPair(room, job, dialect, pair, isTaker ? last?.untaken : undefined);
    const avoided = worthAnother(job, last);
    if (!avoided) break;
    without.add(avoided.uid);
  }
  noteUntaken(room, job, dialect, last);
  return last;
}

/** The pod that failed, where another one shall be asked. */
function worthAnother({ answer }: Job, last: Outcome): Endpoint | undefined {
  const isLost = answer.ended || (answer.clientLeft && !last?.untaken);
  return isLost ? undefined : last?.blame;
}

function nextPair(room: Room, job: Job, without: Set<string>, last: Unserved | undefined): Pair | { none: string } {
  const { candidates } = job.view;
  const asked = askedBy(room, job, without);
  const taker = last?.untaken && pairFor(candidates, last.untaken.prefill, asked);
  if (taker) return taker;
  if (last && job.answer.clientLeft) return { none: 'the client left' };
  const pair = choosePair(candidates, asked);
  if (!('none' in pair) || !last?.mayRecover || !last.blame) return pair;
  without.delete(last.blame.uid);
  return choosePair(candidates, askedBy(room, job, without));
}

/** Nobody will give this KV back: prefill holds it until its lease ends. Where nothing links the legs, it holds none. */
function noteUntaken(room: Room, job: Job, { linksLegs }: Dialect, last: Unserved | undefined): void {
  if (!last?.untaken || !linksLegs) return;
  const { prefill, why } = last.untaken;
  room.metrics.untaken(why);
  const said = `no decode pod of group ${prefill.group} could be reached (${why}), and prefill keeps what it computed until its lease ends`;
  room.warn(`untaken ${job.view.name}`, `${said}: see why, or raise --connect-timeout`, { pod: prefill.name });
}

function noPair(job: Job, why: string): Unserved {
  return { error: routerErrors('no-ready-pair', { model: job.model, why }), prefillFailed: true };
}

async function attemptPair(
  room: Room,
  job: Job,
  dialect: Dialect,
  pair: Pair,
  untaken: Untaken | undefined,
): Promise<Outcome> {
  const place = room.load.reserve(pair.prefill, pair.decode, job.promptBytes);
  try {
    const prefill = untaken ? readHandover(untaken.answer, dialect, pair) : await runPrefill(room, job, dialect, pair);
    place.prefillDone();
    if (prefill.kind !== 'handover') return prefillOutcome(room, job, pair.prefill, prefill);
    noteHandover(room, job, pair, prefill.handover);
    const mustDeliver = mustDeliverTo(job, dialect);
    if (job.answer.clientLeft && !mustDeliver) return undefined;
    const end = await handOver(room, job, { dialect, pair, mustDeliver }, prefill.handover);
    const outcome = answerOutcome(room, job, pair.decode, { end, leg: 'decode' });
    return outcome && end.kind === 'failed' && end.failure.stage === 'connect'
      ? { ...outcome, untaken: { prefill: pair.prefill, answer: prefill.answer, why: end.failure.fault } }
      : outcome;
  } finally {
    place.release();
  }
}

/** Whether an engine that gets the handover must be given time to take it in, also for a client who left. */
function mustDeliverTo({ answer }: Job, { whenClientLeaves }: Dialect): boolean {
  return whenClientLeaves[answer.clientLeft ? 'between-legs' : 'during-decode'] !== 'abort';
}

interface Receiver {
  readonly dialect: Dialect;
  readonly pair: Pair;
  readonly mustDeliver: boolean;
}

/** Gives decode what prefill computed. For a client who left by now one token is enough: reading the KV is what frees it. */
function handOver(
  room: Room,
  job: Job,
  { dialect, pair, mustDeliver }: Receiver,
  handover: Handover,
): Promise<RelayEnd> {
  const { clientLeft } = job.answer;
  const request = clientLeft ? job.body.with(oneTokenNoStream) : job.body;
  const graceMs = clientLeft ? room.limits.abandonedMs : room.limits.deliverMs;
  return runAnswerLeg(room, job, dialect.decode(request, handover), {
    leg: 'decode',
    endpoint: pair.decode,
    again: !dialect.linksLegs,
    graceMs: mustDeliver ? graceMs : undefined,
  });
}

function noteHandover(room: Room, job: Job, { prefill, decode }: Pair, { repairs }: Handover): void {
  room.metrics.pair(prefill, decode);
  room.prefix.learn(job.hashes, prefill.uid);
  for (const repair of repairs) {
    room.metrics.repair('remote-host');
    const said = `prefill advertises ${repair}, where decode would reach itself; the pod IP is used instead`;
    room.warn(`remote-host ${job.view.name}`, `${said}: set VLLM_NIXL_SIDE_CHANNEL_HOST to status.podIP`, {
      pod: prefill.name,
    });
  }
}

function prefillOutcome(room: Room, job: Job, pod: Endpoint, end: Exclude<PrefillEnd, { kind: 'handover' }>): Outcome {
  switch (end.kind) {
    case 'no-handover':
      return { error: routerErrors('no-handover', { pod: pod.name, why: end.why }), prefillFailed: true };
    case 'answered':
      return answerVerbatim(room, job, pod, end.answer, 'prefill');
    case 'failed':
      return failed(room, pod, 'prefill', end.failure);
  }
}

/** What the end of an answering leg means for the client. */
export function answerOutcome(
  room: Room,
  job: Job,
  pod: Endpoint,
  { end, leg }: { end: RelayEnd; leg: LegName },
): Outcome {
  switch (end.kind) {
    case 'answered':
      return answerVerbatim(room, job, pod, end.answer, leg);
    case 'failed':
      return failed(room, pod, leg, end.failure);
    case 'gave-up':
      return {
        error: routerErrors('engine-gave-up', { leg, pod: pod.name, why: end.why }),
        blame: pod,
        prefillFailed: false,
      };
    case 'streamed':
    case 'broken':
    case 'slow-client':
      return undefined;
  }
}

/** A refusal of the request (4xx) is the client's to read, at once and as it came; a failure (5xx) is worth another pod. */
function answerVerbatim(room: Room, job: Job, pod: Endpoint, answer: EngineAnswer, leg: LegName): Outcome {
  if (answer.status < 500) {
    sendAnswer(job, answer);
    return undefined;
  }
  if (answer.status > 501) avoid(room, pod);
  const error = routerErrors('engine-unreachable', { leg, pod: pod.name, why: `it answered ${answer.status}` });
  return { error, answer, blame: pod, prefillFailed: leg === 'prefill' };
}

function failed(room: Room, pod: Endpoint, leg: LegName, failure: Parameters<typeof failureError>[0]): Unserved {
  if (failure.fault !== 'aborted') avoid(room, pod);
  const mayRecover = failure.fault === 'reset';
  return { error: failureError(failure, leg, pod), blame: pod, mayRecover, prefillFailed: leg === 'prefill' };
}

/** Gives an engine's whole answer to the client, as it came; inside a begun event stream, as its last event. */
export function sendAnswer(job: Job, { status, headers, isDated, body }: EngineAnswer): void {
  if (job.answer.begun) {
    job.answer.failWith(body.toString().replaceAll(/[\r\n]+/g, ' '));
    return;
  }
  describeLegs(job);
  job.answer.send(status, headers, body, isDated);
}

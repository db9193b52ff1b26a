import type { Endpoint } from '../src/core/pairing/endpoint.js';
import type { Call } from './engine/pool.js';
import { closeLeg, describeLegs, type Job, type LegName, type LegRecord, openLeg, releaseBody } from './job.js';
import { deadlinesOf, failureError } from './leg-terms.js';
import { Relay, type RelayEnd } from './relay.js';
import type { Room } from './room.js';
import { routerErrors } from './router-errors.js';
import type { SplicedBody } from './spliced-body.js';

export interface AnswerLeg {
  readonly leg: Exclude<LegName, 'prefill'>;
  readonly endpoint: Endpoint;
  /** Whether an engine may see this request twice. Not with a handover: its KV can be read once. */
  readonly again: boolean;
  /** Milliseconds after delivery in which the engine may begin to answer a client who left; undefined: closed at once. */
  readonly graceMs: number | undefined;
}

/** The leg whose answer goes to the client: decode of a pair, or a whole request on one pod. `body` is not kept while it streams. */
export function runAnswerLeg(room: Room, job: Job, body: SplicedBody, leg: AnswerLeg): Promise<RelayEnd> {
  const record = openLeg(job, leg.leg, leg.endpoint);
  const startedAt = record.ms;
  const relay: Relay = new Relay({
    answer: job.answer,
    holdUpTo: room.limits.heldAnswerBytes,
    slowClientMs: room.limits.slowClientMs,
    beforeAnswer: () => {
      record.firstMs = performance.now() - startedAt;
      describeLegs(job);
      releaseBody(job);
    },
    over: (end) => {
      if (leg.graceMs !== undefined && relay.leftBefore) room.metrics.abandoned('decode', takenBy(end, relay));
      return close(job, record, relay, judged(end, relay));
    },
    describe: (why, failure) =>
      failure
        ? failureError(failure, leg.leg, leg.endpoint)
        : routerErrors('engine-gave-up', { leg: leg.leg, pod: leg.endpoint.name, why }),
  });
  const request = job.head.request(leg.endpoint, body, deadlinesOf(room, job.view, leg.leg));
  const call = room.pool.request(leg.endpoint, request, relay, leg.again);
  relay.attach(call);
  job.answer.whenLeft(() => leave(leg, call, relay));
  return relay.end;
}

/** A whole answer is looked into as a stream is. */
function judged(end: RelayEnd, { watch }: Relay): RelayEnd {
  if (end.kind !== 'answered' || end.answer.status >= 300) return end;
  const { body } = end.answer;
  const why = watch.lookAtWhole(body.toString('latin1'));
  return why === undefined ? end : { kind: 'gave-up', why };
}

function close(job: Job, record: LegRecord, { watch, firstAt }: Relay, end: RelayEnd): RelayEnd {
  const ok = end.kind === 'streamed' || (end.kind === 'answered' && end.answer.status < 300);
  if (firstAt !== undefined) record.firstMs ??= firstAt - record.ms;
  if (!job.answer.clientLeft) job.brokenOff = brokenOffBy(end);
  closeLeg(record, ok ? 'ok' : outcomeOf(end, job.answer.clientLeft));
  job.promptTokens = watch.promptTokens ?? job.promptTokens;
  job.completionTokens = watch.completionTokens ?? job.completionTokens;
  return end;
}

function brokenOffBy({ kind }: RelayEnd): Job['brokenOff'] {
  if (kind === 'slow-client') return kind;
  return kind === 'broken' ? 'answer-broken' : undefined;
}

function outcomeOf(end: RelayEnd, clientLeft: boolean): string {
  if (clientLeft) return 'aborted';
  if (end.kind === 'answered') return String(end.answer.status);
  return end.kind === 'failed' ? end.failure.fault : end.kind;
}

/**
 * The client is gone. An engine that has begun to answer has read the KV, and learns from the closed connection. Any other
 * must get the whole request first, and a moment to take it in, or the KV on prefill waits for its lease to end.
 */
function leave({ graceMs }: AnswerLeg, call: Call, relay: Relay): void {
  relay.leftBefore = !relay.hasContent;
  const abort = () => call.abort('the client left');
  if (graceMs === undefined || relay.begun) {
    abort();
    return;
  }
  void call.deliveredOrOver.then(() => {
    const timer = setTimeout(abort, graceMs);
    void relay.end.then(() => clearTimeout(timer));
  });
}

/** Whether decode has taken a handover: an engine that gives content has, one that was closed before most likely. */
function takenBy(end: RelayEnd, { hasContent }: Relay): 'answered' | 'aborted' | 'failed' {
  if (hasContent) return 'answered';
  if (end.kind === 'failed') return end.failure.fault === 'aborted' ? 'aborted' : 'failed';
  return end.kind === 'answered' && end.answer.status >= 300 ? 'failed' : 'answered';
}

import type { Endpoint } from '../src/core/pairing/endpoint.js';
import type { PrefixHashes } from '../src/core/pairing/prefix.js';
import type { BodyRoom } from './body-room.js';
import type { ClientAnswer } from './client-answer.js';
import type { ServerView } from './directory.js';
import type { LegHead } from './leg-head.js';
import { SplicedBody } from './spliced-body.js';
import { tenths } from './tenths.js';

/** What the access log says of one leg. */
export interface LegRecord {
  readonly leg: LegName;
  readonly pod: string;
  outcome: string;
  /** Milliseconds until the leg's answer was complete; of a stream until its first byte in `firstMs`. */
  ms: number;
  firstMs: number | undefined;
}

export type LegName = 'prefill' | 'decode' | 'plain';

/** One client request on its way, after it has been read and its ModelServer found. */
export interface Job {
  readonly id: string;
  readonly model: string;
  readonly answer: ClientAnswer;
  readonly head: LegHead;
  /** The client's body with what every leg has changed: the engine's model name set, router-only members left out. */
  body: SplicedBody;
  readonly room: BodyRoom;
  readonly view: ServerView;
  readonly streaming: boolean;
  readonly promptBytes: number;
  readonly hashes: PrefixHashes;
  readonly legs: LegRecord[];
  /** Tokens the engine reported. */
  promptTokens: number | undefined;
  completionTokens: number | undefined;
  fallback: string | undefined;
  /** Why an answer that had begun did not reach its end, where that was not the client's own wish. */
  brokenOff: 'answer-broken' | 'slow-client' | undefined;
}

/** The answer begins, so that no engine is asked again: nobody needs the body any more. */
export function releaseBody(job: Job): void {
  job.body = SplicedBody.empty;
  job.room.release();
}

/** Opens the record of a leg; `ms` is filled in by `closeLeg`. */
export function openLeg(job: Job, leg: LegName, { name }: Endpoint): LegRecord {
  const record: LegRecord = { leg, pod: name, outcome: 'open', ms: performance.now(), firstMs: undefined };
  job.legs.push(record);
  return record;
}

export function closeLeg(record: LegRecord, outcome: string): void {
  if (record.outcome !== 'open') return;
  record.outcome = outcome;
  record.ms = performance.now() - record.ms;
}

/** Tells the client which pods answer and how long each leg took, in headers that any tool shows. */
export function describeLegs(job: Job): void {
  let pods = '';
  let timings = '';
  for (let i = lastAttempt(job.legs); i < job.legs.length; i += 1) {
    const leg = job.legs[i] as LegRecord;
    pods += pods === '' ? leg.pod : `,${leg.pod}`;
    timings += timings === '' ? timing(leg) : `, ${timing(leg)}`;
  }
  job.answer.own += `x-tandem-pair: ${pods}\r\nserver-timing: ${timings}\r\n`;
}

/** Index of the first leg of the attempt that answers: a decode leg belongs to the prefill leg before it. */
function lastAttempt(legs: readonly LegRecord[]): number {
  const last = legs.length - 1;
  return legs[last]?.leg === 'decode' && legs[last - 1]?.leg === 'prefill' ? last - 1 : last;
}

/** While a leg is open, `ms` is when it began. */
function timing({ leg, ms, firstMs, outcome }: LegRecord): string {
  const took = outcome === 'open' ? (firstMs ?? performance.now() - ms) : ms;
  return `${leg};dur=${tenths(took)}`;
}

import type { Endpoint } from '../src/core/pairing/endpoint.js';
import type { PrefixHashes } from '../src/core/pairing/prefix.js';
import type { ClientAnswer } from './client-answer.js';
import type { ServerView } from './directory.js';
import type { LegHead } from './leg-head.js';
import type { SplicedBody } from './spliced-body.js';

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
  readonly body: SplicedBody;
  readonly view: ServerView;
  readonly streaming: boolean;
  readonly promptBytes: number;
  readonly hashes: PrefixHashes;
  readonly legs: LegRecord[];
  /** Tokens the engine reported. */
  promptTokens: number | undefined;
  completionTokens: number | undefined;
  fallback: string | undefined;
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
  const legs = job.legs.filter(({ outcome }) => outcome === 'ok' || outcome === 'open');
  const timing = legs.map(({ leg, ms, firstMs, outcome }) => {
    const took = outcome === 'open' ? (firstMs ?? performance.now() - ms) : ms;
    return `${leg};dur=${took.toFixed(1)}`;
  });
  const served = legs.slice(-2);
  const isPair = served.length === 2 && served[0]?.leg === 'prefill' && served[1]?.leg === 'decode';
  const names = (isPair ? served : served.slice(-1)).map(({ pod }) => pod);
  job.answer.own.push('x-tandem-pair', names.join(','), 'server-timing', timing.slice(-2).join(', '));
}

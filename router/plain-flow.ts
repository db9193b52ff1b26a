import { type Asked, chooseOne, decodePods } from '../src/core/pairing/choose-pair.js';
import type { Endpoint } from '../src/core/pairing/endpoint.js';
import { runAnswerLeg } from './answer-leg.js';
import type { ServerView } from './directory.js';
import type { Job } from './job.js';
import { askedBy, attemptsOf } from './leg-terms.js';
import { answerOutcome, type Outcome, type Unserved } from './pd-flow.js';
import type { RelayEnd } from './relay.js';
import type { Room } from './room.js';
import { routerErrors } from './router-errors.js';

/** Pods that compute prompt and answer themselves: those of no role first, else decode pods, which can do both. */
export function wholePods({ candidates }: ServerView): readonly Endpoint[] {
  return candidates.aggregated.length > 0 ? candidates.aggregated : decodePods(candidates);
}

/** One pod does it all; another one is asked as long as the client has got nothing. */
export async function servePlain(room: Room, job: Job, pods: readonly Endpoint[]): Promise<Outcome> {
  const without = new Set<string>();
  const attempts = attemptsOf(room, job.view);
  let last: Unserved | undefined;
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const asked = askedBy(room, job, without);
    const pod = chooseOne(pods, asked);
    if (!pod) return last ?? { error: routerErrors('no-ready-pod', { model: job.model }), prefillFailed: false };
    last = await attemptPlain(room, job, pod, asked);
    if (!last?.blame || job.answer.isOver) return last;
    without.add(last.blame.uid);
  }
  return last;
}

async function attemptPlain(room: Room, job: Job, pod: Endpoint, { promptBytes }: Asked): Promise<Outcome> {
  const place = room.load.reserve(pod, pod, promptBytes);
  try {
    const end = await askWhole(room, job, pod);
    if (end.kind === 'streamed') room.prefix.learn(job.hashes, pod.uid);
    return answerOutcome(room, job, pod, { end, leg: 'plain' });
  } finally {
    place.release();
  }
}

/** Nothing is held elsewhere for a whole request: it may be aborted at any time. */
function askWhole(room: Room, job: Job, endpoint: Endpoint): Promise<RelayEnd> {
  return runAnswerLeg(room, job, job.body, { leg: 'plain', endpoint, again: true, graceMs: undefined });
}

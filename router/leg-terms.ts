import type { TandemError } from '../src/base/errors.js';
import type { Asked } from '../src/core/pairing/choose-pair.js';
import type { Endpoint } from '../src/core/pairing/endpoint.js';
import type { ServerView } from './directory.js';
import type { Deadlines } from './engine/exchange.js';
import type { EngineFailure } from './engine/failure.js';
import type { Job, LegName } from './job.js';
import type { Room } from './room.js';
import { routerErrors } from './router-errors.js';
import { longestTimeout, parseDuration } from './timeout.js';

/** The facts a choice of pods is made from, at this moment. */
export function askedBy(room: Room, job: Job, without: ReadonlySet<string>): Asked {
  return {
    load: room.load,
    now: room.clock.now(),
    promptBytes: job.promptBytes,
    prefix: room.prefix.match(job.hashes),
    without,
    random: room.random(),
  };
}

/** The user's timeout holds from the request to the engine's response head, for each leg; 0 lifts the limit there. */
export function deadlinesOf(room: Room, { server }: ServerView, leg: LegName): Deadlines {
  const { limits } = room;
  const own = parseDuration(server.spec.trafficPolicy?.timeout);
  const usual = leg === 'prefill' ? limits.prefillMs : limits.decodeMs;
  const head = own === undefined ? usual : Math.min(own, longestTimeout);
  return { connect: Math.min(limits.connectMs, own || limits.connectMs), head, idle: limits.idleMs };
}

/** Attempts for one request: `retry.attempts` counts the ones after the first, as its name says. */
export function attemptsOf({ limits }: Room, { server }: ServerView): number {
  const retries = server.spec.trafficPolicy?.retry?.attempts;
  return retries === undefined ? limits.attempts : Math.min(1 + Math.max(0, retries), 10);
}

/** A pod that could not be spoken to is avoided for a while, by every request. */
export function avoid(room: Room, endpoint: Endpoint): void {
  room.load.avoid(endpoint, room.clock.now() + room.limits.avoidMs);
}

/** What a client is told when no other pod is left to ask. */
export function failureError(failure: EngineFailure, leg: LegName, { name }: Endpoint): TandemError {
  const facts = { leg, pod: name, why: failure.message };
  return routerErrors(failure.fault === 'timeout' ? 'engine-timeout' : 'engine-unreachable', facts, failure);
}

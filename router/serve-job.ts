import { decodePods } from '../src/core/pairing/choose-pair.js';
import { spoken } from './dialects/spoken.js';
import { whyNotDisaggregated } from './disaggregate.js';
import { startHeartbeat } from './heartbeat.js';
import type { Job } from './job.js';
import { asTandemError } from './openai-error.js';
import { type Outcome, sendAnswer, servePair, type Unserved } from './pd-flow.js';
import { servePlain, wholePods } from './plain-flow.js';
import type { Room } from './room.js';
import { routerErrors } from './router-errors.js';

/** Serves one request to its end: whatever happens, the client is answered or gone afterwards. Returns the code of what failed. */
export async function serveJob(room: Room, job: Job, path: string): Promise<string | undefined> {
  const heartbeat = startHeartbeat(room.limits.heartbeatMs, job);
  try {
    return await serveAndTell(room, job, path);
  } finally {
    heartbeat.stop();
  }
}

async function serveAndTell(room: Room, job: Job, path: string): Promise<string | undefined> {
  const unserved = await firstChoice(room, job, path);
  const left = unserved && (await fallBack(room, job, unserved));
  if (!left) return job.brokenOff;
  if (job.answer.isOver) return undefined; // what became of the legs is no reason: nobody waited for them
  if (left.answer) sendAnswer(job, left.answer);
  else job.answer.fail(asTandemError(left.error));
  return left.error.code;
}

function firstChoice(room: Room, job: Job, path: string): Promise<Outcome> {
  const { view } = job;
  if (!view.isPd) return servePlain(room, job, wholePods(view));
  const reason = whyNotDisaggregated(path, job.body);
  if (reason !== undefined) {
    room.metrics.notDisaggregated(reason);
    return servePlain(room, job, wholePods(view));
  }
  const dialect = spoken.get(view.dialect.dialect);
  if (dialect) return servePair(room, job, dialect);
  const known = [...spoken.keys()].join(', ');
  const error = routerErrors('dialect-not-spoken', { ...view.dialect, spoken: known });
  return Promise.resolve({ error, prefillFailed: true });
}

/** What the ModelServer's owner allows when no pair could do it; by default nothing, so that it is seen. */
async function fallBack(room: Room, job: Job, unserved: Unserved): Promise<Outcome> {
  const { view, answer } = job;
  if (!unserved.prefillFailed || view.fallback === 'none' || answer.isOver) return unserved;
  const pods = view.fallback === 'recompute' ? decodePods(view.candidates) : view.candidates.aggregated;
  if (pods.length === 0) return unserved;
  job.fallback = view.fallback;
  room.metrics.fallback(view.fallback);
  const said = `a pair could not serve (${unserved.error.message}); fallback ${view.fallback} is used, as the ModelServer is annotated`;
  room.warn(`fallback ${view.name} ${unserved.error.code}`, said, { modelServer: view.name });
  return servePlain(room, job, pods);
}

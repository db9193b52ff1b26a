import type { Job } from './job.js';

/**
 * Keeps a streaming client waiting with SSE comments, before the first byte of an engine and between its events. Two looks
 * in one silence make a heartbeat, so that passing bytes on costs no look at the clock.
 */
export function startHeartbeat(everyMs: number, { answer, streaming }: Job): { stop(): void } {
  if (everyMs === 0 || !streaming) return { stop: () => undefined };
  let seen = 0;
  let silent = 0;
  const timer = setInterval(() => {
    silent = answer.bytes === seen ? silent + 1 : 0;
    seen = answer.bytes;
    if (silent < 2 || answer.isOver) return;
    silent = 0;
    if (answer.begun) answer.comment('waiting');
    else answer.beginWaiting();
  }, everyMs / 2);
  return { stop: () => clearInterval(timer) };
}

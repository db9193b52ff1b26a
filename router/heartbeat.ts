import type { Job } from './job.js';

/** Keeps a streaming client waiting through a long prefill with SSE comments, until the engine's first byte. */
export function startHeartbeat(everyMs: number, { answer, streaming }: Job): { stop(): void } {
  if (everyMs === 0 || !streaming) return { stop: () => undefined };
  let began = false;
  const timer = setInterval(() => {
    if (answer.clientLeft || answer.ended || (answer.begun && !began)) return;
    if (answer.bytes > 0) return;
    if (began) answer.comment('waiting');
    else answer.beginWaiting();
    began = true;
  }, everyMs);
  return { stop: () => clearInterval(timer) };
}

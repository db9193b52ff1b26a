import { setMaxListeners } from 'node:events';
import type { Running } from '../base/running.js';

/**
 * Runs until SIGTERM or SIGINT, or until `alsoAsked` resolves, then stops cleanly; a second signal ends at once. One AbortSignal
 * reaches every socket. `start` opens things in order; what it returns is stopped in reverse.
 */
export async function serve(
  start: (signal: AbortSignal) => Promise<readonly Running[]>,
  alsoAsked?: Promise<void>,
): Promise<number> {
  const abort = new AbortController();
  // Every part, watch and socket hangs on this one signal: many listeners are the design, not a leak.
  setMaxListeners(0, abort.signal);
  const asked = alsoAsked ? Promise.race([firstSignal(), alsoAsked]) : firstSignal();
  const starting = start(abort.signal);
  // What a start that failed has opened so far hangs on the signal.
  starting.catch(() => abort.abort());
  const early = await Promise.race([starting.then(() => false), asked.then(() => true)]);
  if (early) {
    // Starting is given up: what it opens hangs on the signal, and its rejection is the answer to the abort.
    abort.abort();
    await starting.then(stopAll, () => undefined);
    return 0;
  }
  await asked;
  await stopAll(await starting);
  abort.abort();
  return 0;
}

async function stopAll(running: readonly Running[]): Promise<void> {
  for (const part of [...running].reverse()) await part.stop();
}

function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    const onSignal = () => {
      count += 1;
      if (count === 1) resolve();
      else process.exit(130);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/** `tandem router listening on http://127.0.0.1:8080`: on stdout, so that a script can read the port it got. */
export function announce(part: string, running: Running, scheme = 'http'): void {
  const { address } = running;
  if (address) process.stdout.write(`tandem ${part} listening on ${scheme}://${address.host}:${address.port}\n`);
}

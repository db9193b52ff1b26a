import { writeSync } from 'node:fs';

const standardError = 2;
/** A reader that takes nothing for so long loses lines: as long as it is waited for, nothing else is done. */
const tries = 100;
const pauseMs = 10;

let lost = 0;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Writes of log lines that failed in this process, on a full disk or to a reader that has left: what they held is lost. */
export const lostWrites = (): number => lost;

/** Writes lines to standard error. Whatever becomes of them, whoever is logged about goes on. */
export function writeLog(lines: string | Buffer): void {
  try {
    writeAll(typeof lines === 'string' ? Buffer.from(lines) : lines);
  } catch {
    lost += 1; // there is no other place to say it; a metric shows the count
  }
}

function writeAll(bytes: Buffer): void {
  let from = 0;
  for (let tried = 0; from < bytes.length; ) {
    try {
      from += writeSync(standardError, bytes, from);
    } catch (error) {
      tried += 1;
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || tried === tries) throw error;
      Atomics.wait(sleeper, 0, 0, pauseMs);
    }
  }
}

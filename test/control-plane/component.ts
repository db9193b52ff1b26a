/** One program of the control plane as a child process that cannot outlive the test process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';

export interface Component {
  readonly name: string;
  /** Resolves with what it said last when it ends by itself or is stopped. */
  readonly ended: Promise<string>;
  readonly hasEnded: () => boolean;
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

// The shell kills the program when its own stdin closes, which the kernel does even when the test process is killed.
const guarded = [
  'exec 3<&0',
  '"$@" </dev/null 3<&- & child=$!',
  '( cat <&3 >/dev/null; kill -KILL $child ) 2>/dev/null & guard=$!',
  'wait $child; status=$?; kill $guard 2>/dev/null; exit $status',
].join('\n');

export function startComponent(
  name: string,
  program: string,
  args: readonly string[],
  files: { log: string; cwd: string },
): Component {
  const child = spawn('/bin/sh', ['-c', guarded, 'sh', program, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: files.cwd,
  });
  const log = createWriteStream(files.log);
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  child.stdin.on('error', () => child.kill('SIGKILL')); // EPIPE: the shell is gone, so nothing is left to guard
  let over = false;
  const ended = once(child, 'close').then(async ([code]) => {
    over = true;
    log.end();
    await once(log, 'close');
    const tail = (await readFile(files.log, 'utf8')).split('\n').slice(-12).join('\n');
    return `${name} ended with code ${String(code)}; its last lines (${files.log}):\n${tail}`;
  });
  return {
    name,
    ended,
    hasEnded: () => over,
    pid: child.pid,
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

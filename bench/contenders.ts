import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';

const hasTaskset = spawnSync('taskset', ['-V']).error === undefined;

/** Starts a program on one core where that can be said: what is measured has a core for itself. */
export function pinned(core: number, command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return hasTaskset ? spawn('taskset', ['-c', String(core), command, ...args], options) : spawn(command, args, options);
}

/** Puts this process, which makes the load, beside the engines. */
export function pinSelf(): void {
  if (hasTaskset) spawnSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)]);
}

/** Something that stands between the clients and what is behind it. */
export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Resolves with the first match of what the program writes on standard output. */
export function line(child: ChildProcess, wanted: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (more: Buffer) => {
      text += more.toString();
      const match = wanted.exec(text);
      if (match) resolve(match);
    });
    child.once('exit', (code) =>
      reject(new Error(`${child.spawnargs.join(' ')} ended with ${code} before it was ready`)),
    );
    child.once('error', reject);
  });
}

/** Asks the program to end, and waits until it has. One that does not want to is killed, when there is a time for that. */
export function ended(child: ChildProcess, patienceMs?: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const killing = patienceMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), patienceMs);
    child.once('exit', () => {
      clearTimeout(killing);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

export async function accepting(port: number): Promise<void> {
  for (let i = 0; i < 200; i += 1) {
    const up = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nothing accepts connections on port ${port}`);
}

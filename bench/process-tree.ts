import { readdirSync, readFileSync } from 'node:fs';

interface Stat {
  readonly parent: number;
  /** Clock ticks, user and system. */
  readonly ticks: number;
}

/** Ticks per second: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name may contain anything, so fields are counted from its closing parenthesis.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ESRCH')
      return undefined;
    throw error;
  }
}

/** The process and all that descend from it. */
function treeOf(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (stat) children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/**
 * CPU microseconds that a process tree has used. `schedstat` counts nanoseconds where the kernel keeps it; else ticks of
 * 10 ms, for which a round must last long enough.
 */
export function cpuMicroseconds(root: number): number {
  let total = 0;
  for (const pid of treeOf(root)) total += fromSchedstat(pid) ?? ((statOf(pid)?.ticks ?? 0) / ticksPerSecond) * 1e6;
  return total;
}

function fromSchedstat(pid: number): number | undefined {
  try {
    let nanoseconds = 0;
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]);
    }
    return nanoseconds === 0 ? undefined : nanoseconds / 1000;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** Kilobytes of memory that the process tree holds. */
export function residentKilobytes(root: number): number {
  let total = 0;
  for (const pid of treeOf(root)) {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    total += Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
  }
  return total;
}

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { table } from '../../base/errors.js';

export const workerErrors = table({
  'bad-workers': {
    status: 400,
    retryable: false,
    says: (m: { value: string }) =>
      `--workers "${m.value}" is no number of processes; write a whole number up to ${mostWorkers}, or auto for one a core`,
  },
});

/** More processes than any machine has use for. */
const mostWorkers = 512;

/** Processes that `--workers` asks for: `auto` and 0 are as many as there are cores for this process. */
export function workerCount(value: string): number {
  if (value === 'auto' || value === '0') return cores();
  const count = /^\d{1,3}$/.test(value) ? Number(value) : Number.NaN;
  if (!(count >= 1 && count <= mostWorkers)) throw workerErrors('bad-workers', { value });
  return count;
}

/** Cores that this process may run on, rounded up where a container's limit is a part of one. */
function cores(): number {
  const quota = cpuQuota();
  return Math.max(
    1,
    Math.min(availableParallelism(), quota === undefined ? Number.POSITIVE_INFINITY : Math.ceil(quota)),
  );
}

/** A container's CPU limit in cores, as cgroup v2 writes it: `QUOTA PERIOD` in microseconds, or `max PERIOD`. */
function cpuQuota(): number | undefined {
  let text: string;
  try {
    text = readFileSync('/sys/fs/cgroup/cpu.max', 'utf8');
  } catch {
    return undefined; // no such limit here
  }
  const [, quota, period] = /^(\d+) (\d+)$/.exec(text.trim()) ?? [];
  return quota === undefined || period === undefined ? undefined : Number(quota) / Number(period);
}

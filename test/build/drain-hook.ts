import type { LifecycleHandler } from '../../src/api/kube.js';
import { type DrainOrder, drainHook } from '../../src/core/expand/drain.js';

const [, , script] =
  drainHook({ engineOf: 'pod', port: 1, metricsPath: '/', seconds: 1, gauges: [] }).exec?.command ?? [];

/** The order inside a hook made by `drainHook`; undefined for any other command. */
export function readDrainHook(hook: LifecycleHandler | undefined): DrainOrder | undefined {
  const [program, option, body, port, metricsPath = '', seconds, gauges = '', address] = hook?.exec?.command ?? [];
  if (program !== 'python3' || option !== '-c' || body !== script) return undefined;
  const engineOf = address === 'ENTRY_ADDRESS' ? 'entry' : 'pod';
  return { engineOf, port: Number(port), metricsPath, seconds: Number(seconds), gauges: gauges.split(',') };
}

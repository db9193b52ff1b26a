import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from '../src/telemetry/metrics.js';

/** Milliseconds between two looks. At 20 an idle process spends 0.2 % of a core on them, at 100 a quarter of that. */
const resolutionMs = 100;

/** Exports how late timers came since the last scrape: what every open stream waits when something holds the event loop. */
export function watchLoop(metrics: Metrics): { stop(): void } {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs });
  delays.enable();
  const name = 'tandem_router_event_loop_delay_seconds';
  metrics.gauge(name, 'How late timers came since the last scrape', ['of'], (gauge) => {
    gauge.set({ of: 'p50' }, lateness(delays.percentile(50)));
    gauge.set({ of: 'p99' }, lateness(delays.percentile(99)));
    gauge.set({ of: 'max' }, lateness(delays.max));
    delays.reset();
  });
  return { stop: () => void delays.disable() };
}

/** Seconds; what is measured is the time from one look to the next, in nanoseconds. */
const lateness = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - resolutionMs / 1000);

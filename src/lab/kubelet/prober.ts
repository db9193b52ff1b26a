import type { Container, Probe } from '../../api/kube.js';
import { pause } from '../engine/ticker.js';
import { type ProbeResult, runProbe } from './probe.js';
import type { Scale } from './scale.js';

export type ProbeKind = 'Startup' | 'Readiness' | 'Liveness';

export interface ProbeListener {
  /** Called when the state of a probe changes: after successThreshold successes or failureThreshold failures. */
  settled(kind: ProbeKind, ok: boolean): void;
  /** Called for every failed attempt. */
  failed(kind: ProbeKind, message: string): void;
}

/** Runs the probes of one container until the signal aborts: startup first, then readiness and liveness side by side. */
export async function runProbes(
  container: Container,
  podIP: string,
  scale: Scale,
  listener: ProbeListener,
  signal: AbortSignal,
): Promise<void> {
  const { startupProbe, readinessProbe, livenessProbe } = container;
  const one = (kind: ProbeKind, probe: Probe, untilSuccess: boolean) =>
    repeat({ kind, probe, untilSuccess, scale, listener, signal, run: () => runProbe(probe, container, podIP) });
  if (startupProbe && !(await one('Startup', startupProbe, true))) return;
  if (!startupProbe) listener.settled('Startup', true);
  if (!readinessProbe) listener.settled('Readiness', true);
  await Promise.all([
    readinessProbe && one('Readiness', readinessProbe, false),
    livenessProbe && one('Liveness', livenessProbe, false),
  ]);
}

interface Repetition {
  readonly kind: ProbeKind;
  readonly probe: Probe;
  readonly untilSuccess: boolean;
  readonly scale: Scale;
  readonly listener: ProbeListener;
  readonly signal: AbortSignal;
  readonly run: () => Promise<ProbeResult>;
}

/** True when it ended with a success; false when it was aborted or, for startup and liveness, gave up. */
async function repeat({ kind, probe, untilSuccess, scale, listener, signal, run }: Repetition): Promise<boolean> {
  const { delay, period } = timesOf(probe, scale);
  const streak = new Streak(probe);
  await pause(delay, signal);
  while (!signal.aborted) {
    const { ok, message } = await run();
    if (signal.aborted) return false;
    if (!ok) listener.failed(kind, message);
    if (streak.add(ok)) listener.settled(kind, ok);
    const endsIt = ok ? untilSuccess : kind !== 'Readiness';
    if (streak.isSettled && endsIt) return ok;
    await pause(ok ? Math.max(period, scale.steadyProbeMs) : period, signal);
  }
  return false;
}

/** Milliseconds before the first attempt and between two; never so short that the probes load the machine. */
const timesOf = ({ initialDelaySeconds = 0, periodSeconds = 10 }: Probe, { probeSecondMs }: Scale) => ({
  delay: initialDelaySeconds * probeSecondMs,
  period: Math.max(5, periodSeconds * probeSecondMs),
});

/** Equal results in a row, counted against the probe's thresholds. */
class Streak {
  readonly #thresholds: { readonly success: number; readonly failure: number };
  #ok = false;
  #length = 0;

  constructor({ successThreshold = 1, failureThreshold = 3 }: Probe) {
    this.#thresholds = { success: successThreshold, failure: failureThreshold };
  }

  /** True when this result reaches the threshold. */
  add(ok: boolean): boolean {
    this.#length = this.#ok === ok ? this.#length + 1 : 1;
    this.#ok = ok;
    return this.#length === this.#threshold;
  }

  get isSettled(): boolean {
    return this.#length >= this.#threshold;
  }

  get #threshold(): number {
    return this.#ok ? this.#thresholds.success : this.#thresholds.failure;
  }
}

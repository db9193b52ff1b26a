/**
 * How long a Kubernetes second lasts in the lab. Manifests are written for engines that load for minutes; the lab's
 * load in a moment, so what waits for them is shortened, and nothing that measures an answer is.
 */
export interface Scale {
  /** Milliseconds per second of initialDelaySeconds, periodSeconds and restart back-off. */
  readonly probeSecondMs: number;
  /** Milliseconds per second of the grace period and of a preStop sleep. */
  readonly graceSecondMs: number;
  /** Least milliseconds between two probes once a probe succeeds, so that an idle lab is quiet. */
  readonly steadyProbeMs: number;
  /** Milliseconds that an init container takes. */
  readonly initMs: number;
  /** Milliseconds between the start of an engine and its listening. */
  readonly loadMs: number;
}

export const labScale: Scale = { probeSecondMs: 20, graceSecondMs: 100, steadyProbeMs: 1000, initMs: 20, loadMs: 100 };

import type { Step } from '../core/rollout/step.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { Outcome } from './perform.js';

export interface ControllerMetrics {
  performed(steps: readonly Step[], outcome: Outcome): void;
  round(failed: boolean): void;
}

export interface Gauges {
  readonly queueDepth: () => number;
  /** Milliseconds since each watch was heard. */
  readonly lags: () => ReadonlyMap<string, number>;
  readonly leading: () => boolean;
}

export function controllerMetrics(metrics: Metrics, gauges: Gauges): ControllerMetrics {
  const steps = metrics.counter('tandem_controller_steps_total', 'Planned steps by kind.', ['step']);
  const refused = metrics.counter('tandem_controller_refusals_total', 'Creates that were refused, by reason.', [
    'reason',
  ]);
  const rounds = metrics.counter('tandem_controller_rounds_total', 'Rounds of reconciliation.', ['result']);
  metrics.gauge('tandem_controller_queue_depth', 'ModelServings waiting for a round.', [], (gauge) =>
    gauge.set(gauges.queueDepth()),
  );
  metrics.gauge('tandem_controller_leading', '1 when this process does the work.', [], (gauge) =>
    gauge.set(Number(gauges.leading())),
  );
  metrics.gauge('tandem_controller_watch_age_seconds', 'Seconds since a watch was heard.', ['resource'], (gauge) => {
    for (const [resource, age] of gauges.lags()) gauge.set({ resource }, age / 1000);
  });
  return {
    performed(planned, { refusals }) {
      for (const step of planned) steps.inc({ step: step.do });
      for (const { reason } of refusals) refused.inc({ reason });
    },
    round: (failed) => rounds.inc({ result: failed ? 'failed' : 'done' }),
  };
}

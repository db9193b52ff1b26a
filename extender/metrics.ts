import type { Metrics } from '../src/telemetry/metrics.js';

/** Why an answer told the scheduler nothing. */
export type Neutral = 'not-synced' | 'foreign-pod' | 'placement-off' | 'no-candidates' | 'late' | 'failed';

export interface ExtenderMetrics {
  answered(verb: Verb, seconds: number): void;
  neutral(verb: Verb, why: Neutral): void;
  refused(code: string): void;
  rejectedNodes(reason: string, count: number): void;
}

export type Verb = 'prioritize' | 'filter' | 'volcano-prioritize';

export function extenderMetrics(metrics: Metrics, expectations: () => number): ExtenderMetrics {
  const buckets = [0.0002, 0.0005, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
  const duration = metrics.histogram(
    'tandem_extender_answer_seconds',
    'Time from a parsed request to its answer',
    ['verb'],
    buckets,
  );
  const neutral = metrics.counter(
    'tandem_extender_neutral_total',
    'Answers that favour no node and refuse none, by reason',
    ['verb', 'why'],
  );
  const refused = metrics.counter(
    'tandem_extender_refused_requests_total',
    'Requests that were answered with an error status, by error code',
    ['code'],
  );
  const rejected = metrics.counter(
    'tandem_extender_rejected_nodes_total',
    'Nodes that the hard mode took from a scheduler, by reason',
    ['reason'],
  );
  metrics.gauge(
    'tandem_extender_expected_pods',
    'Pods advised a moment ago whose binding is not seen yet',
    [],
    (gauge) => gauge.set(expectations()),
  );
  return {
    answered: (verb, seconds) => duration.observe({ verb }, seconds),
    neutral: (verb, why) => neutral.inc({ verb, why }),
    refused: (code) => refused.inc({ code }),
    rejectedNodes: (reason, count) => rejected.inc({ reason }, count),
  };
}

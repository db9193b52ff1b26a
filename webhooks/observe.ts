import type { Logger } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import { Counts, Seconds } from '../src/telemetry/series.js';
import type { Decision } from './decision.js';
import type { ReviewRequest } from './review.js';

/** Where every decision is counted and told, one structured line each. */
export interface Observer {
  decided(webhook: string, request: ReviewRequest, decision: Decision, milliseconds: number): void;
  /** A body that was answered with 4xx. */
  malformed(webhook: string, code: string, message: string): void;
  /** A connection with more than plain requests on it. */
  handedOver(): void;
}

/** Upper bounds in seconds. */
const bounds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5];

export function createObserver(metrics: Metrics, logger: Logger): Observer {
  const reviews = new Counts('tandem_webhook_reviews_total', 'Reviews answered', ['webhook', 'answer']);
  const refused = new Counts('tandem_webhook_malformed_total', 'Bodies that were no review, by error code', [
    'webhook',
    'code',
  ]);
  const findings = new Counts('tandem_webhook_findings_total', 'Findings, by rule code', ['code', 'severity']);
  const injected = new Counts('tandem_webhook_injected_fields_total', 'Fields added by expansion, by origin', [
    'origin',
  ]);
  const seconds = new Seconds('tandem_webhook_review_seconds', 'Time to decide', ['webhook'], bounds);
  const connections = new Counts(
    'tandem_webhook_connections_handed_over_total',
    "Connections with other than plain requests, left to Node's HTTP server",
    ['to'],
  );
  for (const series of [reviews, refused, findings, injected, seconds, connections])
    metrics.addSource(() => series.render());
  return {
    decided(webhook, request, decision, took) {
      const answer = answerOf(decision);
      reviews.add(1, webhook, answer);
      seconds.observe(took, webhook);
      for (const { code, severity } of decision.findings ?? []) findings.add(1, code, severity);
      for (const origin in decision.injected) injected.add(decision.injected[origin] ?? 0, origin);
      logger.info(lineOf(webhook, request, decision, took), answer);
    },
    malformed(webhook, code, message) {
      refused.add(1, webhook, code);
      logger.warn({ webhook, code, reason: message }, 'malformed');
    },
    handedOver: () => connections.add(1, 'node'),
  };
}

function answerOf({ allowed, patch, status }: Decision): string {
  if (!allowed) return (status?.code ?? 0) >= 500 ? 'failed' : 'denied';
  return patch && patch.operations > 0 ? 'patched' : 'allowed';
}

/** The logger leaves out what is undefined. */
function lineOf(webhook: string, request: ReviewRequest, decision: Decision, took: number): object {
  const { findings = [], patch, note, status } = decision;
  return {
    webhook,
    uid: request.uid,
    kind: request.kind.kind,
    namespace: request.namespace,
    object: request.name,
    operation: request.operation,
    dryRun: request.dryRun,
    user: request.user,
    findings: findings.length > 0 ? findings.map(({ code, severity }) => `${code} ${severity}`) : undefined,
    fields: patch && patch.operations > 0 ? patch.operations : undefined,
    note,
    reason: status?.message.slice(0, 500),
    ms: Math.round(took * 1e3) / 1e3,
  };
}

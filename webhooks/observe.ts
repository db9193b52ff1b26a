import type { Logger } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import type { Decision } from './decision.js';
import type { ReviewRequest } from './review.js';

/** Where every decision is counted and told, one structured line each. */
export interface Observer {
  decided(webhook: string, request: ReviewRequest, decision: Decision, seconds: number): void;
  /** A body that was answered with 4xx. */
  malformed(webhook: string, code: string, message: string): void;
}

const buckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5];

export function createObserver(metrics: Metrics, logger: Logger): Observer {
  const reviews = metrics.counter('tandem_webhook_reviews_total', 'Reviews answered', ['webhook', 'answer'] as const);
  const refused = metrics.counter('tandem_webhook_malformed_total', 'Bodies that were no review, by error code', [
    'webhook',
    'code',
  ] as const);
  const findings = metrics.counter('tandem_webhook_findings_total', 'Findings, by rule code', [
    'code',
    'severity',
  ] as const);
  const injected = metrics.counter('tandem_webhook_injected_fields_total', 'Fields added by expansion, by origin', [
    'origin',
  ] as const);
  const seconds = metrics.histogram('tandem_webhook_review_seconds', 'Time to decide', ['webhook'], buckets);
  return {
    decided(webhook, request, decision, took) {
      const answer = answerOf(decision);
      reviews.inc({ webhook, answer });
      seconds.observe({ webhook }, took);
      for (const { code, severity } of decision.findings ?? []) findings.inc({ code, severity });
      for (const [origin, count] of Object.entries(decision.injected ?? {})) injected.inc({ origin }, count);
      logger.info({ ...lineOf(webhook, request, decision), ms: Math.round(took * 1e6) / 1e3 }, answer);
    },
    malformed(webhook, code, message) {
      refused.inc({ webhook, code });
      logger.warn({ webhook, code, reason: message }, 'malformed');
    },
  };
}

function answerOf({ allowed, patch, status }: Decision): string {
  if (!allowed) return (status?.code ?? 0) >= 500 ? 'failed' : 'denied';
  return patch && patch.length > 0 ? 'patched' : 'allowed';
}

function lineOf(webhook: string, request: ReviewRequest, decision: Decision): Record<string, unknown> {
  const { findings = [], patch = [], note } = decision;
  return {
    webhook,
    uid: request.uid,
    kind: request.kind.kind,
    namespace: request.namespace,
    object: request.name,
    operation: request.operation,
    dryRun: request.dryRun,
    user: request.user,
    ...(findings.length > 0 && { findings: findings.map(({ code, severity }) => `${code} ${severity}`) }),
    ...(patch.length > 0 && { fields: patch.length }),
    ...(note !== undefined && { note }),
    ...(decision.status && { reason: decision.status.message.slice(0, 500) }),
  };
}

import type { Logger } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import { ServingCertificate, type ServingFiles } from './client/serving-certificate.js';

/** Reads what clients of TLS see, follows its files, and counts what became of their changes. @throws bad-tls-files */
export function openCertificate(files: ServingFiles, metrics: Metrics, logger: Logger): Promise<ServingCertificate> {
  const reloads = metrics.counter(
    'tandem_router_certificate_reloads_total',
    'Changes of the certificate files: renewed, or kept because the new ones cannot be used',
    ['outcome'],
  );
  return ServingCertificate.open(files, { logger, onReload: (outcome) => reloads.inc({ outcome }) });
}

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Instant } from '../base/clock.js';
import { describeError, table } from '../base/errors.js';
import type { Logger } from '../telemetry/log.js';
import type { Issued } from './authority.js';
import type { CredentialSource, Credentials, Refreshed } from './keeper.js';

export const mountErrors = table({
  'certificate-unreadable': {
    status: 500,
    retryable: true,
    says: (m: { folder: string; why: string }) =>
      `cannot serve with the certificate in ${m.folder}: ${m.why}; mount a Secret with tls.crt, tls.key and ca.crt there`,
  },
});

export interface MountedOptions {
  /** Where `tls.crt` (with its chain), `tls.key` and `ca.crt` are, as cert-manager and `kubectl create secret tls` write them. */
  readonly folder: string;
  /** False when somebody else puts the bundle into the webhook configurations, so that `ca.crt` may be absent. */
  readonly needsBundle: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Serves with a certificate that somebody else makes and renews; a change on disk that cannot be used leaves the last one. */
export class MountedCredentials implements CredentialSource {
  readonly #options: MountedOptions;
  #held: Credentials | undefined;

  constructor(options: MountedOptions) {
    this.#options = options;
  }

  get current(): Credentials | undefined {
    return this.#held;
  }

  async refresh(): Promise<Refreshed> {
    const { folder, logger } = this.#options;
    try {
      const next = await this.#read();
      const changed = !isEqual(next, this.#held);
      if (changed) this.#tell(next.serving);
      this.#held = next;
      return { credentials: next, changed };
    } catch (cause) {
      const why = describeError(cause);
      if (!this.#held) throw mountErrors('certificate-unreadable', { folder, why }, cause);
      // The kubelet may be between two files of a new pair: the next look finds both.
      logger.warn({ folder, why }, 'the mounted certificate cannot be used; the one before it stays');
      return { credentials: this.#held, changed: false };
    }
  }

  async #read(): Promise<Credentials> {
    const { folder, needsBundle } = this.#options;
    const text = (name: string) => readFile(join(folder, name), 'utf8');
    const [certificate, key] = await Promise.all([text('tls.crt'), text('tls.key')]);
    const leaf = new X509Certificate(certificate);
    if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('tls.key does not belong to tls.crt');
    const bundle = needsBundle ? await text('ca.crt') : '';
    if (needsBundle) new X509Certificate(bundle); // throws when it is no certificate
    return { serving: { certificate, key, ...validityOf(leaf) }, bundle };
  }

  #tell({ notBefore, notAfter }: Issued): void {
    const { clock, logger, folder } = this.#options;
    const now = clock.now();
    const until = new Date(notAfter);
    if (now < notBefore || now >= notAfter) {
      logger.warn({ folder, from: new Date(notBefore), until }, 'the mounted certificate is not valid by this clock');
    } else logger.info({ folder, until }, 'serving with the mounted certificate');
  }
}

/** Calls `changed` soon after anything in the folder changed; the caller looks from time to time as well. */
export function followFolder(folder: string, changed: () => void, logger: Logger, signal: AbortSignal): void {
  const watcher = watch(folder, { persistent: false, signal }, () => changed());
  watcher.on('error', (error) => {
    if (!signal.aborted)
      logger.warn({ folder, why: describeError(error) }, 'the folder cannot be watched, only looked at');
  });
}

const validityOf = (certificate: X509Certificate) => ({
  notBefore: Date.parse(certificate.validFrom) as Instant,
  notAfter: Date.parse(certificate.validTo) as Instant,
});

const isEqual = (a: Credentials, b: Credentials | undefined): boolean =>
  b !== undefined &&
  a.bundle === b.bundle &&
  a.serving.certificate === b.serving.certificate &&
  a.serving.key === b.serving.key;

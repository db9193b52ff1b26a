import { createPrivateKey, X509Certificate } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describeError, table } from '../../src/base/errors.js';
import type { Logger } from '../../src/telemetry/log.js';

export const certificateErrors = table({
  'bad-tls-files': {
    status: 500,
    retryable: false,
    says: (m: { cert: string; key: string; why: string }) =>
      `cannot serve TLS with ${m.cert} and ${m.key}: ${m.why}; give a certificate with its chain and its key, both PEM, with --tls-cert FILE --tls-key FILE`,
  },
});

export interface ServingFiles {
  /** Certificate and chain, PEM. */
  readonly cert: string;
  readonly key: string;
}

/** PEM texts of one certificate and its key. */
export interface ServingPair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateEvents {
  readonly logger: Logger;
  /** Whether a change on disk is used, or is of no use and the pair before it stays. */
  onReload(outcome: 'renewed' | 'kept'): void;
}

/** Between two looks at files whose file system tells of no changes. */
const lookMs = 10_000;
/** Whoever writes a new pair in place writes one file after the other. */
const settleMs = 100;

/** The certificate that clients see, read again when its files change; a change that cannot be used leaves the last one. */
export class ServingCertificate {
  readonly #files: ServingFiles;
  readonly #events: CertificateEvents;
  readonly #watchers: readonly FSWatcher[];
  readonly #timer: NodeJS.Timeout;
  /** What was read last, also when it was of no use: it is told once. */
  #seen: ServingPair;
  #use: (pair: ServingPair) => void = () => undefined;
  #settling: NodeJS.Timeout | undefined;
  #reading = false;
  #again = false;
  #closed = false;

  private constructor(files: ServingFiles, pair: ServingPair, events: CertificateEvents) {
    this.#files = files;
    this.#seen = pair;
    this.#events = events;
    this.#watchers = [...new Set([dirname(files.cert), dirname(files.key)])].map((folder) => this.#watch(folder));
    this.#timer = setInterval(() => this.#look(), lookMs).unref();
  }

  /** @throws bad-tls-files */
  static async open(files: ServingFiles, events: CertificateEvents): Promise<ServingCertificate> {
    try {
      const pair = await read(files);
      check(pair);
      return new ServingCertificate(files, pair, events);
    } catch (error) {
      throw certificateErrors('bad-tls-files', { ...files, why: describeError(error) }, error);
    }
  }

  /** Gives the pair to `use`, and each later one. */
  serve(use: (pair: ServingPair) => void): void {
    this.#use = use;
    use(this.#seen);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers) watcher.close();
  }

  #watch(folder: string): FSWatcher {
    const watcher = watch(folder, { persistent: false }, () => this.#lookSoon());
    return watcher.on('error', (error) => {
      this.#events.logger.warn({ folder, why: describeError(error) }, 'a folder cannot be watched, only looked at');
    });
  }

  #lookSoon(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this.#look();
    }, settleMs).unref();
  }

  /** One read at a time, and one more when something changed meanwhile. */
  #look(): void {
    this.#again = this.#reading;
    if (this.#reading || this.#closed) return;
    this.#reading = true;
    read(this.#files)
      .then((pair) => this.#take(pair))
      .catch((error: unknown) => this.#keep(error))
      .finally(() => {
        this.#reading = false;
        if (this.#again) this.#look();
      });
  }

  #take(pair: ServingPair): void {
    if (this.#closed || (pair.cert === this.#seen.cert && pair.key === this.#seen.key)) return;
    this.#seen = pair;
    const { notAfter } = check(pair);
    this.#use(pair);
    this.#events.logger.info({ ...this.#files, until: notAfter }, 'serving with a renewed certificate');
    this.#events.onReload('renewed');
  }

  #keep(error: unknown): void {
    if (this.#closed) return;
    const why = describeError(error);
    this.#events.logger.warn({ ...this.#files, why }, 'the certificate cannot be used; the one before it stays');
    this.#events.onReload('kept');
  }
}

async function read({ cert, key }: ServingFiles): Promise<ServingPair> {
  const [certText, keyText] = await Promise.all([readFile(cert, 'utf8'), readFile(key, 'utf8')]);
  return { cert: certText, key: keyText };
}

/** Throws when this cannot be served with. */
function check({ cert, key }: ServingPair): { notAfter: Date } {
  const leaf = new X509Certificate(cert);
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('the key does not belong to the certificate');
  return { notAfter: new Date(leaf.validTo) };
}

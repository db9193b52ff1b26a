import type { Clock } from '../base/clock.js';
import { describeError } from '../base/errors.js';
import type { Logger } from '../telemetry/log.js';
import type { AuthorityStore } from './authorities.js';
import { createAuthority, fingerprintOf, type Issued, issueServing } from './authority.js';
import { defaultRotation, isDue, planAuthorities, type RotationPolicy, validityFrom } from './rotate.js';

/** What a server needs to be trusted: its certificate with key, and the bundle that those who call it must trust. */
export interface Credentials {
  readonly serving: Issued;
  /** Certificates of all trusted CAs, PEM. */
  readonly bundle: string;
}

export interface Refreshed {
  readonly credentials: Credentials;
  /** Whether they differ from what the last call returned. */
  readonly changed: boolean;
}

/** Where a server's credentials come from: made here, or mounted. */
export interface CredentialSource {
  readonly current: Credentials | undefined;
  /** Called at start and from time to time: the credentials to serve with from here on. */
  refresh(): Promise<Refreshed>;
}

export interface KeeperOptions {
  readonly store: AuthorityStore;
  /** DNS names and IP addresses that the serving certificate answers for. */
  readonly hosts: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly policy?: RotationPolicy;
}

interface State {
  readonly signer: Issued;
  readonly credentials: Credentials;
}

/** Keeps one server's credentials valid: `refresh` is called at start and from time to time, and tells when they changed. */
export class CredentialKeeper implements CredentialSource {
  readonly #options: KeeperOptions;
  readonly #policy: RotationPolicy;
  #state: State | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#policy = options.policy ?? defaultRotation;
  }

  get current(): Credentials | undefined {
    return this.#state?.credentials;
  }

  /** Reads the shared CAs, rotates what is due, and returns the credentials to serve with from here on. */
  async refresh(): Promise<Refreshed> {
    const { authorities, signer } = await this.#authorities();
    const bundle = authorities.map(({ certificate }) => certificate).join('');
    const held = this.#state;
    const serving =
      held?.signer.certificate === signer.certificate && !this.#isDue(held.credentials.serving)
        ? held.credentials.serving
        : await this.#issue(signer);
    const changed = serving !== held?.credentials.serving || bundle !== held.credentials.bundle;
    this.#state = { signer, credentials: { serving, bundle } };
    return { credentials: { serving, bundle }, changed };
  }

  /** Rotates until our view and the store agree; a lost race means that another replica did the work. */
  async #authorities(): Promise<{ authorities: readonly Issued[]; signer: Issued }> {
    for (let attempt = 0; attempt < 10; attempt++) {
      const held = await this.#options.store.read();
      const plan = planAuthorities(held.authorities, this.#options.clock.now(), this.#policy);
      const trusted = plan.trust.flatMap((i) => held.authorities[i] ?? []);
      const signer = plan.sign === undefined ? undefined : held.authorities[plan.sign];
      if (!plan.create && signer && trusted.length === held.authorities.length) return { authorities: trusted, signer };
      const created = plan.create || !signer ? [await this.#create()] : [];
      await this.#options.store.replace(held, [...trusted, ...created]);
    }
    throw new Error('the CA Secret changes faster than it can be read; see which other process writes it');
  }

  async #create(): Promise<Issued> {
    const now = this.#options.clock.now();
    const made = await createAuthority('tandem', validityFrom(now, this.#policy.authorityLifetime, this.#policy));
    this.#options.logger.info({ ca: fingerprintOf(made.certificate), until: new Date(made.notAfter) }, 'made a CA');
    return made;
  }

  async #issue(signer: Issued): Promise<Issued> {
    const now = this.#options.clock.now();
    const made = await issueServing(signer, {
      hosts: this.#options.hosts,
      validity: validityFrom(now, this.#policy.servingLifetime, this.#policy, signer),
    });
    this.#options.logger.info(
      { certificate: fingerprintOf(made.certificate), hosts: this.#options.hosts, until: new Date(made.notAfter) },
      'issued a serving certificate',
    );
    return made;
  }

  #isDue(certificate: Issued): boolean {
    return isDue(certificate, this.#options.clock.now(), this.#policy);
  }
}

/** Calls `work` every `interval` milliseconds until the signal aborts; a failure is logged and tried again next time. */
export function every(interval: number, work: () => Promise<void>, logger: Logger, signal: AbortSignal): void {
  if (signal.aborted) return;
  const timer = setTimeout(() => {
    signal.removeEventListener('abort', stop);
    work()
      .catch((error: unknown) => logger.warn({ error: describeError(error) }, 'renewal failed and is tried again'))
      .finally(() => every(interval, work, logger, signal));
  }, interval);
  const stop = () => clearTimeout(timer);
  signal.addEventListener('abort', stop, { once: true });
}

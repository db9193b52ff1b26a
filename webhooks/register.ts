import type { Clock, Instant } from '../src/base/clock.js';
import { describeError } from '../src/base/errors.js';
import { canonicalJson } from '../src/base/json.js';
import { isEdited, type WebhookConfiguration, withCaBundle } from '../src/certs/inject.js';
import type { KubeClient } from '../src/kube/client.js';
import { startReflector } from '../src/kube/reflector.js';
import type { Resource } from '../src/kube/resources.js';
import type { Logger } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import { configurationName, configurationsFor, type Reach } from './configurations.js';
import { Patience } from './patience.js';

export interface RegistrarOptions {
  readonly client: KubeClient;
  readonly reach: Reach;
  /** The bundle that the configurations must carry now, PEM; read again before every repair. */
  readonly bundle: () => Promise<string>;
  /** Called when both configurations carry that bundle: from here on a certificate of its CAs may be served. */
  readonly trusted: () => void;
  /** NAMESPACE/CERTIFICATE of cert-manager, which then writes the bundle in our place. */
  readonly injectCaFrom?: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Milliseconds between attempts while the API server refuses. */
  readonly retryEvery?: number;
}

export interface Registrar {
  /** Resolves when both configurations have been accepted once. */
  readonly registered: Promise<void>;
  /** Writes the configurations when they differ from what they should be. */
  check(): void;
  readonly stopped: Promise<unknown>;
}

const fieldManager = 'tandem-webhook';

/**
 * Keeps our two webhook configurations as they should be: applied at start, and again when somebody edits or deletes them.
 * Server-side apply, so that labels and annotations of others stay.
 */
export function keepRegistered(options: RegistrarOptions, signal: AbortSignal): Registrar {
  const write = writerOf(options);
  const watched = configurationsFor(options.reach, options.injectCaFrom).map((registration) => ({
    ...registration,
    contest: new Contest(options),
    store: startReflector<WebhookConfiguration>(options.client, registration.resource, {
      fieldSelector: `metadata.name=${configurationName}`,
      logger: options.logger,
      signal,
    }),
  }));
  let accept: () => void = () => undefined;
  let give: (reason: unknown) => void = () => undefined;
  const registered = new Promise<void>((resolve, reject) => {
    accept = resolve;
    give = reject;
  });
  const round = async () => {
    const bundle = await options.bundle();
    const waits: number[] = [];
    for (const one of watched) {
      const wanted = options.injectCaFrom === undefined ? withCaBundle(one.object, bundle) : one.object;
      if (!isEdited(wanted, one.store.get(undefined, configurationName))) continue;
      const wait = one.contest.pause(wanted, options.clock.now());
      if (wait > 0) waits.push(wait);
      else await write(one.resource, wanted).then(() => one.contest.wrote(wanted, options.clock.now()));
    }
    if (waits.length > 0) return void later(check, Math.min(...waits), signal);
    options.trusted();
    accept();
  };
  const check = serialised(round, options, signal);
  for (const { store } of watched) store.subscribe(check);
  Promise.all(watched.map(({ store }) => store.synced)).then(check, (reason: unknown) => give(reason));
  // Nobody may be waiting when the process stops before it was ever registered.
  registered.catch((error: unknown) => options.logger.debug({ error: describeError(error) }, 'not registered'));
  return { registered, check, stopped: Promise.all(watched.map(({ store }) => store.stopped)) };
}

/** Applies a configuration, counts it and says so. */
function writerOf({ client, metrics, logger }: RegistrarOptions) {
  const help = 'Webhook configurations written';
  const repairs = metrics.counter('tandem_webhook_registrations_total', help, ['kind']);
  return async (resource: Resource, wanted: WebhookConfiguration): Promise<void> => {
    await client.apply(resource, wanted, { fieldManager, force: true });
    repairs.inc({ kind: resource.kind });
    logger.info({ kind: resource.kind, name: configurationName }, 'wrote the webhook configuration');
  };
}

/** Tells an edit that is simply undone from a second writer with whom we would write in turns for ever. */
class Contest {
  readonly #options: RegistrarOptions;
  readonly #patience = new Patience();
  #written = '';
  #told = false;

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  /** Milliseconds to wait; 0 when what we want has changed since we wrote, as after a rotation. */
  pause(wanted: WebhookConfiguration, now: Instant): number {
    return canonicalJson(wanted) === this.#written ? this.#patience.pause(now) : 0;
  }

  wrote(wanted: WebhookConfiguration, now: Instant): void {
    const again = canonicalJson(wanted) === this.#written;
    this.#written = canonicalJson(wanted);
    if (!again || this.#patience.repaired(now) < 4 || this.#told) return;
    this.#told = true;
    this.#options.logger.warn(
      { name: configurationName },
      'somebody else writes our webhook configurations again and again; repairs now wait longer each time. Is a second `tandem webhook` with another --url or CA running? Stop one of them',
    );
  }
}

/** One round at a time; a call during a round makes one more follow, and a failed round is tried again after a pause. */
function serialised(round: () => Promise<void>, options: RegistrarOptions, signal: AbortSignal): () => void {
  let running = false;
  let again = false;
  const run = () => {
    if (signal.aborted) return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    round()
      .catch((error: unknown) => {
        if (signal.aborted) return;
        options.logger.warn({ error: describeError(error) }, 'the webhook is not registered; it is tried again');
        later(run, options.retryEvery ?? 2_000, signal);
      })
      .finally(() => {
        running = false;
        if (again) {
          again = false;
          run();
        }
      });
  };
  return run;
}

function later(work: () => void, milliseconds: number, signal: AbortSignal): void {
  const stop = () => clearTimeout(timer);
  const timer = setTimeout(() => {
    signal.removeEventListener('abort', stop);
    work();
  }, milliseconds);
  signal.addEventListener('abort', stop, { once: true });
}

import { describeError } from '../src/base/errors.js';
import { isEdited, type WebhookConfiguration, withCaBundle } from '../src/certs/inject.js';
import type { KubeClient } from '../src/kube/client.js';
import { startReflector } from '../src/kube/reflector.js';
import type { Logger } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import { configurationName, configurationsFor, type Reach } from './configurations.js';

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
  const repairs = options.metrics.counter('tandem_webhook_registrations_total', 'Webhook configurations written', [
    'kind',
  ]);
  const watched = configurationsFor(options.reach, options.injectCaFrom).map((registration) => ({
    ...registration,
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
    for (const one of watched) {
      const wanted = options.injectCaFrom === undefined ? withCaBundle(one.object, bundle) : one.object;
      if (!isEdited(wanted, one.store.get(undefined, configurationName))) continue;
      await options.client.apply(one.resource, wanted, { fieldManager, force: true });
      repairs.inc({ kind: one.resource.kind });
      options.logger.info({ kind: one.resource.kind, name: configurationName }, 'wrote the webhook configuration');
    }
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

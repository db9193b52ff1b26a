import { setMaxListeners } from 'node:events';
import type { Server } from 'node:https';
import type { Clock } from '../src/base/clock.js';
import type { Running } from '../src/base/running.js';
import { authoritiesInMemory } from '../src/certs/authorities.js';
import { CredentialKeeper, type CredentialSource, type Credentials, every } from '../src/certs/keeper.js';
import { followFolder, MountedCredentials } from '../src/certs/mounted.js';
import type { RotationPolicy } from '../src/certs/rotate.js';
import { authoritiesInSecret } from '../src/certs/secret.js';
import { type Address, listen } from '../src/server/listen.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import { BodyBudget } from './body.js';
import { hostsOf, type Reach } from './configurations.js';
import { startErrors } from './errors.js';
import { createObserver } from './observe.js';
import { type Observed, type ObserveOptions, observeCluster } from './observe-cluster.js';
import { keepRegistered, type Registrar, type RegistrarOptions } from './register.js';
import { reportRelations } from './report-relations.js';
import { createWebhookServer } from './server.js';
import { webhooksOver } from './webhooks.js';

/**
 * `profiles` may be a function: it is asked per review, so a changed profile counts from the next review on.
 * `settings.schedulerNames` says who stands in for a scheduler, and counts only while Volcano is absent.
 */
export interface WebhookOptions extends ObserveOptions {
  readonly listen: Address;
  /** Outside the cluster: `https://host:port` under which the API server reaches us; port 0 stands for the port we got. */
  readonly url?: string;
  /** In the cluster: the Service in front of us; its namespace holds the Secret with the CA. */
  readonly service?: { readonly name: string; readonly namespace: string };
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly rotation?: RotationPolicy;
  /** A certificate that somebody else makes, instead of our own CA. */
  readonly mounted?: {
    /** Folder with tls.crt, tls.key and ca.crt, followed while we run. */
    readonly folder: string;
    /** NAMESPACE/CERTIFICATE: cert-manager's injector writes the caBundle, and `ca.crt` is not needed. */
    readonly injectCaFrom?: string;
  };
  /** Milliseconds between looks at certificates and CA; default one minute. */
  readonly renewEvery?: number;
  /** Milliseconds from a change to judging its neighbours again; default two seconds. */
  readonly settle?: number;
}

const secretName = 'tandem-webhook-ca';
/** Reviews in flight are answered within their timeout; a connection that is still open then is cut. */
const stopWithin = 10_000;

/** Starts admission: listens, registers itself with its CA, and keeps both right until it is stopped. */
export async function startWebhook(options: WebhookOptions, signal: AbortSignal): Promise<Running> {
  const own = new AbortController();
  const ending = AbortSignal.any([signal, own.signal]);
  setMaxListeners(0, ending); // one listener for each watch, pause and timer
  const phase: Phase = { notReady: 'starting' };
  const reach = reachOf(options);
  const keeper = credentialsOf(options, reach);
  const { credentials } = await keeper.refresh();
  tellExpiry(options, keeper);
  const observed = observeCluster(options, ending);
  const budget = new BodyBudget();
  tellBudget(options.metrics, budget);
  options.metrics.addSource(() => observed.world.expansions.render());
  const server = createWebhookServer({
    budget,
    webhooks: webhooksOver(observed.world),
    probes: { metrics: options.metrics, notReady: () => phase.notReady },
    observer: createObserver(options.metrics, options.logger),
    tls: tlsOf(credentials),
  });
  const stopObserving = () => {
    own.abort();
    return Promise.all(observed.stores.map(({ stopped }) => stopped));
  };
  const address = await listen(server, options.listen).catch(async (error: unknown) => {
    await stopObserving();
    throw error;
  });
  const registrar = keepTrusted({ ...options, reach: at(reach, address), ...served(keeper, server) }, ending);
  const reports = reportRelations({ ...options, world: observed.world }, ending);
  const stop = once(async () => {
    phase.notReady = 'stopping';
    await closeGently(server);
    await Promise.all([stopObserving(), registrar.stopped, reports.stopped]);
  });
  signal.addEventListener('abort', () => {
    stop().catch((error: unknown) => options.logger.error({ error: String(error) }, 'could not stop cleanly'));
  });
  return { address, ready: readiness(phase, registrar, observed, options), stop, [Symbol.asyncDispose]: stop };
}

/** Registered, and looked at again from time to time and whenever a mounted certificate changes. */
function keepTrusted(
  options: WebhookOptions & Pick<RegistrarOptions, 'reach' | 'bundle' | 'trusted'>,
  ending: AbortSignal,
): Registrar {
  const { mounted, renewEvery = 60_000, logger } = options;
  const registrar = keepRegistered({ ...options, ...mounted }, ending);
  if (mounted) followFolder(mounted.folder, registrar.check, logger, ending);
  every(renewEvery, () => Promise.resolve(registrar.check()), logger, ending);
  return registrar;
}

interface Phase {
  notReady: string | undefined;
}

function readiness(phase: Phase, registrar: Registrar, observed: Observed, { logger }: WebhookOptions): Promise<void> {
  const become = (from: string, to: string | undefined) => () => {
    if (phase.notReady === from) phase.notReady = to;
  };
  phase.notReady = 'the caches are not filled';
  const ready = observed.synced
    .then(become('the caches are not filled', 'the webhook configurations are not written'))
    .then(() => registrar.registered)
    .then(become('the webhook configurations are not written', undefined));
  ready.catch((error: unknown) => logger.debug({ error: String(error) }, 'stopped before it was ready'));
  return ready;
}

function tellBudget(metrics: Metrics, budget: BodyBudget): void {
  const what = 'Bytes of reviews that are being read or decided; above the limit further ones are answered with 429';
  metrics.gauge('tandem_webhook_body_bytes', what, [], (gauge) => gauge.set(budget.held));
}

function tellExpiry({ metrics, clock }: WebhookOptions, keeper: CredentialSource): void {
  const notAfter = () => keeper.current?.serving.notAfter ?? 0;
  const when = 'When the serving certificate expires, seconds since the Unix epoch';
  metrics.gauge('tandem_webhook_certificate_expiry_timestamp_seconds', when, [], (gauge) =>
    gauge.set(notAfter() / 1000),
  );
  const left = 'Seconds until the serving certificate expires';
  metrics.gauge('tandem_webhook_certificate_expiry_seconds', left, [], (gauge) =>
    gauge.set((notAfter() - clock.now()) / 1000),
  );
}

/** What is trusted comes first, what is served with it follows: no handshake meets a CA that nobody has been told of. */
function served(keeper: CredentialSource, server: Server) {
  let serving = keeper.current?.serving;
  return {
    bundle: async () => (await keeper.refresh()).credentials.bundle,
    trusted: () => {
      const { current } = keeper;
      if (!current || current.serving === serving) return;
      // New connections see the new certificate; those that are open keep theirs, which stays trusted until it expires.
      server.setSecureContext({ ...tlsOf(current), minVersion: 'TLSv1.2' });
      serving = current.serving;
    },
  };
}

const tlsOf = ({ serving }: Credentials) => ({ cert: serving.certificate, key: serving.key });

function credentialsOf(options: WebhookOptions, reach: Reach): CredentialSource {
  const { client, clock, logger, rotation, mounted } = options;
  if (mounted) {
    const { folder, injectCaFrom } = mounted;
    return new MountedCredentials({ folder, needsBundle: injectCaFrom === undefined, clock, logger });
  }
  const store =
    reach.by === 'service'
      ? authoritiesInSecret(client, { namespace: reach.namespace, name: secretName }, logger)
      : authoritiesInMemory();
  return new CredentialKeeper({ store, hosts: hostsOf(reach), clock, logger, ...(rotation && { policy: rotation }) });
}

function reachOf({ url, service }: WebhookOptions): Reach {
  if (url === undefined) {
    if (!service) throw startErrors('no-address', undefined);
    return { by: 'service', ...service };
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const plain = parsed?.protocol === 'https:' && parsed.pathname === '/' && !/[?#@]/.test(url);
  if (!parsed || !plain) throw startErrors('bad-url', { url });
  return { by: 'url', url: parsed.origin };
}

/** A URL with port 0 names the port that the listener got. */
function at(reach: Reach, { port }: Address): Reach {
  if (reach.by !== 'url' || new URL(reach.url).port !== '0') return reach;
  return { by: 'url', url: reach.url.replace(/:0$/, `:${port}`) };
}

/** Stops accepting, answers what is in flight, and cuts what is still open after the limit. */
function closeGently(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => server.closeAllConnections(), stopWithin);
    // A kept-alive connection becomes idle only after its last answer.
    const idle = setInterval(() => server.closeIdleConnections(), 50);
    server.close((error) => {
      clearTimeout(limit);
      clearInterval(idle);
      if (error && (error as NodeJS.ErrnoException).code !== 'ERR_SERVER_NOT_RUNNING') reject(error);
      else resolve();
    });
  });
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work();
    return result;
  };
}

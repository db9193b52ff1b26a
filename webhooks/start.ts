import { setMaxListeners } from 'node:events';
import type { Server } from 'node:https';
import type { Clock } from '../src/base/clock.js';
import type { Running } from '../src/base/running.js';
import { authoritiesInMemory } from '../src/certs/authorities.js';
import { CredentialKeeper, type Credentials, every } from '../src/certs/keeper.js';
import type { RotationPolicy } from '../src/certs/rotate.js';
import { authoritiesInSecret } from '../src/certs/secret.js';
import { type Address, listen } from '../src/server/listen.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import { hostsOf, type Reach } from './configurations.js';
import { startErrors } from './errors.js';
import { createObserver } from './observe.js';
import { type Observed, type ObserveOptions, observeCluster } from './observe-cluster.js';
import { keepRegistered, type Registrar } from './register.js';
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
  const keeper = keeperFor(options, reach);
  const { credentials } = await keeper.refresh();
  tellExpiry(options.metrics, keeper);
  const observed = observeCluster(options, ending);
  const server = createWebhookServer({
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
  const registrar = keepRegistered(
    { ...options, reach: at(reach, address), bundle: () => serveNewest(keeper, server) },
    ending,
  );
  every(options.renewEvery ?? 60_000, () => Promise.resolve(registrar.check()), options.logger, ending);
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

function tellExpiry(metrics: Metrics, keeper: CredentialKeeper): void {
  const help = 'When the serving certificate expires, seconds since the Unix epoch';
  metrics.gauge('tandem_webhook_certificate_expiry_timestamp_seconds', help, [], (gauge) =>
    gauge.set((keeper.current?.serving.notAfter ?? 0) / 1000),
  );
}

/** The certificate that counts now is served from here on; the bundle to trust is returned. */
async function serveNewest(keeper: CredentialKeeper, server: Server): Promise<string> {
  const { credentials, changed } = await keeper.refresh();
  // New connections see the new certificate; those that are open keep theirs, which stays trusted until it expires.
  if (changed) server.setSecureContext({ ...tlsOf(credentials), minVersion: 'TLSv1.2' });
  return credentials.bundle;
}

const tlsOf = ({ serving }: Credentials) => ({ cert: serving.certificate, key: serving.key });

function keeperFor(options: WebhookOptions, reach: Reach): CredentialKeeper {
  const { client, clock, logger, rotation } = options;
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

/**
 * The lab's API server: one process, all state in memory, TLS with a CA of its own, one bearer token. Good enough for
 * kubectl and for our own processes; what it cannot do it refuses by name with 501.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { isIP } from 'node:net';
import type { Clock } from '../../base/clock.js';
import type { Running } from '../../base/running.js';
import { createAuthority, issueServing } from '../../certs/authority.js';
import { listen } from '../../server/listen.js';
import type { Logger } from '../../telemetry/log.js';
import type { ResolveService } from './admission/webhook-call.js';
import { WebhookChain } from './admission/webhook-chain.js';
import type { ApiContext, UserInfo } from './call.js';
import { establishDefinitions } from './crd/establish.js';
import { Exchange } from './exchange.js';
import { startCollector } from './garbage-collector.js';
import { kubeconfigFor } from './kubeconfig.js';
import { initialNamespaces } from './namespaces.js';
import { timestamp } from './object.js';
import { Continuations } from './read.js';
import { Registry } from './registry.js';
import { routeRequest } from './route.js';
import { ApiError } from './status.js';
import { Store } from './store.js';

export interface ApiServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Where a webhook's service listens; without it webhooks by service fail as unreachable. */
  readonly resolveService?: ResolveService;
  /** Accepted instead of a random token: lets a kubeconfig outlive a restart. */
  readonly token?: string;
  /** Changes kept for watches that come back; beyond it they get 410. */
  readonly historyLimit?: number;
}

export interface Connection {
  /** `https://HOST:PORT` */
  readonly server: string;
  /** PEM that verifies the server. */
  readonly ca: string;
  readonly token: string;
}

export interface ApiServer extends Running {
  readonly address: { readonly host: string; readonly port: number };
  readonly connection: Connection;
  /** A kubeconfig for any kubectl, as YAML text. */
  kubeconfig(): string;
  /** Forgets the history of changes, so that old watches get 410. */
  compact(): void;
}

const dayMs = 86_400_000;
const validityMs = 365 * dayMs;
const admin: UserInfo = { username: 'lab-admin', uid: 'lab-admin', groups: ['system:masters', 'system:authenticated'] };

export async function startApiServer(options: ApiServerOptions, signal: AbortSignal): Promise<ApiServer> {
  signal.throwIfAborted();
  const { logger, clock, host } = options;
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal); // one listener for each open watch
  const tls = await issueTls(host, clock);
  const token = options.token ?? randomBytes(24).toString('base64url');
  const store = new Store(options.historyLimit === undefined ? {} : { historyLimit: options.historyLimit });
  const registry = new Registry();
  const admission = new WebhookChain({
    store,
    logger,
    signal: stopping.signal,
    resolveService: options.resolveService,
  });
  const ctx: ApiContext = { store, registry, admission, logger, now: () => clock.now() };
  const handlers = { ctx, continuations: new Continuations(), signal: stopping.signal };
  const stopEstablishing = establishDefinitions(ctx);
  const collector = startCollector(ctx);
  createInitialNamespaces(ctx);
  const server = createServer({ key: tls.key, cert: tls.certificate }, (request, response) => {
    void answer(request, response);
  });
  server.on('tlsClientError', (error) => logger.debug({ error: error.message }, 'a client ended the TLS handshake'));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that goes away is no error of ours; without listeners it would be one of the process.
    response.on('error', (error) => logger.debug({ error: error.message }, 'a client went away'));
    const exchange = new Exchange(request, response, new URL(request.url ?? '/', 'https://localhost'), admin);
    try {
      if (!isAuthenticated(request, token) && !isPublic(exchange))
        throw new ApiError(401, 'Unauthorized', 'Unauthorized');
      await routeRequest(handlers, exchange);
    } catch (error) {
      if (!(error instanceof ApiError))
        logger.error(
          { error: String(error), stack: (error as Error).stack, url: request.url },
          'a request failed; this is a bug of the lab',
        );
      exchange.fail(error);
    }
  }

  let stopped: Promise<void> | undefined;
  const stop = () =>
    (stopped ??= (async () => {
      signal.removeEventListener('abort', onAbort);
      stopping.abort();
      stopEstablishing();
      await collector.stop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      admission.close();
    })());
  const onAbort = () => void stop();
  signal.addEventListener('abort', onAbort, { once: true });
  let address: { host: string; port: number };
  try {
    address = await listen(server, { host, port: options.port });
  } catch (error) {
    await stop();
    throw error;
  }
  const connection = { server: `https://${urlHost(host)}:${address.port}`, ca: tls.ca, token };
  logger.info({ server: connection.server }, 'the API server listens');
  return {
    address,
    connection,
    ready: Promise.resolve(),
    kubeconfig: () => kubeconfigFor(connection),
    compact: () => store.compact(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function issueTls(host: string, clock: Clock): Promise<{ ca: string; certificate: string; key: string }> {
  const validity = { notBefore: clock.now() - dayMs, notAfter: clock.now() + validityMs };
  const authority = await createAuthority('tandem-lab', validity);
  const names = new Set([host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, '127.0.0.1', 'localhost']);
  const { certificate, key } = await issueServing(authority, { hosts: [...names], validity });
  return { ca: authority.certificate, certificate, key };
}

function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return isIP(host) === 6 ? `[${host}]` : host;
}

function isAuthenticated({ headers }: IncomingMessage, token: string): boolean {
  const given = Buffer.from(/^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? '');
  const wanted = Buffer.from(token);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

const isPublic = ({ url }: Exchange): boolean => ['/healthz', '/livez', '/readyz', '/version'].includes(url.pathname);

function createInitialNamespaces({ store, now }: ApiContext): void {
  for (const name of initialNamespaces) {
    store.put('namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name,
        uid: crypto.randomUUID(),
        creationTimestamp: timestamp(now()),
        labels: { 'kubernetes.io/metadata.name': name },
      },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    });
  }
}

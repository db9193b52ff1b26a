/**
 * The lab's API server: one process, all state in memory, TLS with a CA of its own, one bearer token. Good enough for
 * kubectl and for our own processes; what it cannot do it refuses by name with 501.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { isIP } from 'node:net';
import type { Clock } from '../../base/clock.js';
import type { Running } from '../../base/running.js';
import { createAuthority, issueServing } from '../../certs/authority.js';
import { type Address, listen } from '../../server/listen.js';
import { closeServer } from '../../server/probes.js';
import type { Logger } from '../../telemetry/log.js';
import type { ResolveService } from './admission/webhook-call.js';
import { WebhookChain } from './admission/webhook-chain.js';
import type { UserInfo } from './call.js';
import type { ApiContext } from './context.js';
import { establishDefinitions } from './crd/establish.js';
import { limitEvents } from './event-limit.js';
import { Exchange } from './exchange.js';
import { startCollector } from './garbage-collector.js';
import { kubeconfigFor } from './kubeconfig.js';
import { initialNamespaces } from './namespaces.js';
import { timestamp } from './object.js';
import { Continuations } from './read.js';
import { Registry } from './registry.js';
import { routeRequest } from './route.js';
import { ApiError, badRequest } from './status.js';
import { Store } from './store.js';
import type { Handlers } from './target.js';

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
const idleConnectionMs = 180_000;
const validityMs = 365 * dayMs;
const admin: UserInfo = { username: 'lab-admin', uid: 'lab-admin', groups: ['system:masters', 'system:authenticated'] };

export async function startApiServer(options: ApiServerOptions, signal: AbortSignal): Promise<ApiServer> {
  signal.throwIfAborted();
  const { logger, clock, host } = options;
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal); // one listener for each open watch
  const tls = await issueTls(host, clock);
  const token = options.token ?? randomBytes(24).toString('base64url');
  const parts = assemble(options, stopping.signal);
  const answer = answerer({ ctx: parts.ctx, continuations: new Continuations(), signal: stopping.signal }, token);
  const server = createServer({ key: tls.key, cert: tls.certificate }, (request, response) => {
    void answer(request, response);
  });
  // Clients keep idle connections; what closes first must be theirs, or a request meets a reset.
  server.keepAliveTimeout = idleConnectionMs;
  server.on('tlsClientError', (error) => logger.debug({ error: error.message }, 'a client ended the TLS handshake'));
  let stopped: Promise<void> | undefined;
  const stop = () => {
    signal.removeEventListener('abort', onAbort);
    stopping.abort();
    stopped ??= Promise.all([parts.stop(), closeServer(server)]).then(() => undefined);
    return stopped;
  };
  const onAbort = () => void stop();
  signal.addEventListener('abort', onAbort, { once: true });
  const address = await listenOrStop(server, { host, port: options.port }, stop);
  const connection = { server: `https://${urlHost(host)}:${address.port}`, ca: tls.ca, token };
  logger.info({ server: connection.server }, 'the API server listens');
  return {
    address,
    connection,
    ready: Promise.resolve(),
    kubeconfig: () => kubeconfigFor(connection),
    compact: () => parts.ctx.store.compact(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface Parts {
  readonly ctx: ApiContext;
  stop(): Promise<void>;
}

function assemble({ logger, clock, historyLimit, resolveService }: ApiServerOptions, signal: AbortSignal): Parts {
  const store = new Store(historyLimit === undefined ? {} : { historyLimit });
  const admission = new WebhookChain({ store, logger, signal, resolveService });
  const ctx: ApiContext = { store, registry: new Registry(), admission, logger, now: () => clock.now() };
  const stopEstablishing = establishDefinitions(ctx);
  const stopLimiting = limitEvents(store);
  const collector = startCollector(ctx);
  createInitialNamespaces(ctx);
  return {
    ctx,
    async stop() {
      stopEstablishing();
      stopLimiting();
      await collector.stop();
      admission.close();
    },
  };
}

/** Answers one exchange, whatever happens: a refusal is a Status, and anything else that is thrown is a bug and says so. */
function answerer(handlers: Handlers, token: string) {
  const { logger } = handlers.ctx;
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // A client that goes away is no error of ours; without a listener it would be one of the process.
    response.on('error', (error) => logger.debug({ error: error.message }, 'a client went away'));
    const url = urlOf(request);
    const exchange = new Exchange(request, response, url ?? new URL('https://localhost/'), admin);
    try {
      if (url === undefined) throw badRequest('the request target is not a path');
      if (!publicPaths.has(url.pathname) && !isAuthenticated(request, token)) throw unauthorized();
      await routeRequest(handlers, exchange);
    } catch (error) {
      if (!(error instanceof ApiError)) {
        logger.error({ error, url: request.url }, 'a request failed; this is a bug of the lab');
      }
      exchange.fail(error);
    }
  };
}

const publicPaths = new Set(['/healthz', '/livez', '/readyz', '/version']);
const unauthorized = () => new ApiError(401, 'Unauthorized', 'Unauthorized');

function urlOf({ url = '/' }: IncomingMessage): URL | undefined {
  return URL.canParse(url, 'https://localhost') ? new URL(url, 'https://localhost') : undefined;
}

async function listenOrStop(server: Server, address: Address, stop: () => Promise<void>): Promise<Address> {
  try {
    return await listen(server, address);
  } catch (error) {
    await stop();
    throw error;
  }
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

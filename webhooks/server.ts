import { createServer, type Server } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import { describeError, TandemError } from '../src/base/errors.js';
import { explainClientErrors } from '../src/server/client-error.js';
import { answerProbe, type ProbeState } from '../src/server/probes.js';
import { type Decision, refuse } from './decision.js';
import { reviewErrors } from './errors.js';
import type { Observer } from './observe.js';
import { answerReview, type ReviewRequest, readReview } from './review.js';

/** One webhook: a short name for metrics, its path, and the decision. */
export interface Webhook {
  readonly name: string;
  readonly path: string;
  decide(request: ReviewRequest): Decision | Promise<Decision>;
}

export interface ServerOptions {
  readonly webhooks: readonly Webhook[];
  readonly probes: ProbeState;
  readonly observer: Observer;
  readonly tls: SecureContextOptions;
  /** Milliseconds in which a whole request must have arrived; a slow sender is cut off with 408. */
  readonly requestTimeout?: number;
}

/** Two objects of 3 MB, the largest that etcd takes, and their envelope. */
const bodyLimit = '7mb';
const headerBytes = 16_384;
/** Below the 10 s that the configurations give a review, so that a slow body never outlives its caller. */
const defaultRequestTimeout = 9_000;

/** The HTTPS server, not yet listening. Every answer is a well-formed AdmissionReview, a probe, or 4xx with a reason. */
export function createWebhookServer(options: ServerOptions): Server {
  const requestTimeout = options.requestTimeout ?? defaultRequestTimeout;
  const server = createServer(
    {
      ...options.tls,
      minVersion: 'TLSv1.2',
      requestTimeout,
      headersTimeout: Math.min(5_000, requestTimeout),
      connectionsCheckingInterval: Math.min(1_000, requestTimeout),
      maxHeaderSize: headerBytes,
      handshakeTimeout: 5_000,
    },
    createApp(options),
  );
  explainClientErrors(server, headerBytes);
  // Longer than the 90 s that Go's client keeps an idle connection, so that we never close one as it is used again.
  server.keepAliveTimeout = 100_000;
  server.maxConnections = 2_000;
  return server;
}

function createApp(options: ServerOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use((request, response, next) => {
    if (!answerProbe(request, response, options.probes)) next();
  });
  const known = options.webhooks.map(({ path }) => path).join(', ');
  for (const webhook of options.webhooks) {
    app.post(webhook.path, requireJson, express.raw({ type: () => true, limit: bodyLimit }), (request, response) =>
      review(webhook, request, response, options),
    );
    app.all(webhook.path, (request) => {
      throw reviewErrors('not-post', { method: request.method });
    });
  }
  app.use((request) => {
    throw reviewErrors('unknown-path', { path: request.path.slice(0, 100), known });
  });
  app.use(answerError(options));
  return app;
}

function requireJson(request: Request, _response: Response, next: () => void): void {
  const type = request.headers['content-type'] ?? '';
  if (type.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    throw reviewErrors('wrong-content-type', { type: type.slice(0, 100) });
  }
  next();
}

async function review(
  webhook: Webhook,
  request: Request,
  response: Response,
  { observer }: ServerOptions,
): Promise<void> {
  const asked = readReview(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0));
  const started = performance.now();
  const decision = await decideSafely(webhook, asked);
  observer.decided(webhook.name, asked, decision, (performance.now() - started) / 1000);
  response.status(200).json(answerReview(asked.uid, decision));
}

/** A bug in a rule must neither crash the process nor let the API server guess: it is a refusal with code 500. */
async function decideSafely(webhook: Webhook, request: ReviewRequest): Promise<Decision> {
  try {
    return await webhook.decide(request);
  } catch (error) {
    const status = error instanceof TandemError ? error.status : 500;
    const why = error instanceof RangeError ? 'the object is nested too deep to be judged' : describeError(error);
    const message = `tandem could not judge it: ${why.slice(0, 1000)}; see the webhook's log for this uid`;
    const refusal = refuse(status, status < 500 ? 'BadRequest' : 'InternalError', message);
    // The stack of a bug belongs in the log, never in an answer.
    return status >= 500 && error instanceof Error ? { ...refusal, note: error.stack ?? '' } : refusal;
  }
}

/** Express finds an error handler by its four parameters. */
function answerError(options: ServerOptions): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    const known = knownError(error);
    options.observer.malformed(webhookOf(request.path, options.webhooks), known.code, known.message);
    if (response.headersSent || response.destroyed) return next(error);
    // What is left of a body that was refused is not read: the connection ends with the answer.
    response
      .status(known.status)
      .set('connection', 'close')
      .type('text/plain')
      .send(`${known.code}: ${known.message}\n`);
  };
}

function knownError(error: unknown): TandemError {
  if (error instanceof TandemError) return error;
  const type = typeof error === 'object' && error !== null && 'type' in error ? String(error.type) : '';
  if (type === 'entity.too.large') return reviewErrors('body-too-large', { limit: bodyLimit }, error);
  return reviewErrors('not-readable', { why: describeError(error).slice(0, 200) }, error);
}

/** A metric label must be bounded, and a path is the sender's choice. */
const webhookOf = (path: string, webhooks: readonly Webhook[]): string =>
  webhooks.find((webhook) => webhook.path === path)?.name ?? 'other';

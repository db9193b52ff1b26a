import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { describeError, TandemError } from '../src/base/errors.js';
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
const bodyLimit = 7 * 1024 * 1024;
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
      maxHeaderSize: 16_384,
      handshakeTimeout: 5_000,
    },
    listener(options),
  );
  // Longer than the 90 s that Go's client keeps an idle connection, so that we never close one as it is used again.
  server.keepAliveTimeout = 100_000;
  server.maxConnections = 2_000;
  return server;
}

/** Node's own server: three probes and seven paths need no framework, which costs each review more than expanding a pod does. */
function listener(options: ServerOptions): RequestListener {
  const webhooks = new Map(options.webhooks.map((webhook) => [webhook.path, webhook]));
  return (request, response) => {
    if (answerProbe(request, response, options.probes)) return;
    const path = request.url?.split('?')[0] ?? '';
    answer(webhooks, path, request, response, options).catch((error: unknown) =>
      answerError(error, webhooks.get(path), response, options),
    );
  };
}

async function answer(
  webhooks: ReadonlyMap<string, Webhook>,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  options: ServerOptions,
): Promise<void> {
  const webhook = webhooks.get(path);
  const known = [...webhooks.keys()].join(', ');
  if (!webhook) throw reviewErrors('unknown-path', { path: path.slice(0, 100), known });
  if (request.method !== 'POST') throw reviewErrors('not-post', { method: request.method ?? '' });
  requireJson(request);
  await review(webhook, await bodyOf(request), response, options);
}

function requireJson({ headers }: IncomingMessage): void {
  const type = headers['content-type'] ?? '';
  if (type.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    throw reviewErrors('wrong-content-type', { type: type.slice(0, 100) });
  }
}

/** The whole body; rejects as soon as it is too large, and when the sender leaves before its end. */
function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = () => reviewErrors('body-too-large', { limit: '7mb' });
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let size = 0;
    if (Number(request.headers['content-length'] ?? 0) > bodyLimit) return reject(tooLarge());
    request.on('data', (piece: Buffer) => {
      size += piece.length;
      if (size <= bodyLimit) {
        pieces.push(piece);
        return;
      }
      pieces.length = 0;
      request.pause();
      reject(tooLarge());
    });
    request.on('end', () => resolve(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces)));
    request.on('error', reject);
  });
}

async function review(
  webhook: Webhook,
  body: Buffer,
  response: ServerResponse,
  { observer }: ServerOptions,
): Promise<void> {
  const asked = readReview(body);
  const started = performance.now();
  const decision = await decideSafely(webhook, asked);
  observer.decided(webhook.name, asked, decision, (performance.now() - started) / 1000);
  send(response, 200, 'application/json; charset=utf-8', JSON.stringify(answerReview(asked.uid, decision)));
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

/** A metric label must be bounded, and a path is the sender's choice: what is no webhook of ours counts as `other`. */
function answerError(
  error: unknown,
  webhook: Webhook | undefined,
  response: ServerResponse,
  { observer }: ServerOptions,
): void {
  const known = knownError(error);
  observer.malformed(webhook?.name ?? 'other', known.code, known.message);
  if (response.headersSent || response.destroyed) return;
  // What is left of a body that was refused is not read: the connection ends with the answer.
  response.setHeader('connection', 'close');
  send(response, known.status, 'text/plain; charset=utf-8', `${known.code}: ${known.message}\n`);
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

function knownError(error: unknown): TandemError {
  if (error instanceof TandemError) return error;
  return reviewErrors('not-readable', { why: describeError(error).slice(0, 200) }, error);
}

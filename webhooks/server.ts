import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { describeError, TandemError } from '../src/base/errors.js';
import { explainClientErrors } from '../src/server/client-error.js';
import { answerProbe, type ProbeState } from '../src/server/probes.js';
import { BodyBudget, withBody } from './body.js';
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
  /** Default: one of the usual size. */
  readonly budget?: BodyBudget;
}

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
    answering(options),
  );
  explainClientErrors(server, headerBytes);
  // Longer than the 90 s that Go's client keeps an idle connection, so that we never close one as it is used again.
  server.keepAliveTimeout = 100_000;
  server.maxConnections = 2_000;
  return server;
}

/** Answers every request: a webhook's path with its decision, a probe, or with what is wrong. */
function answering(options: ServerOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const byPath = new Map(options.webhooks.map((webhook) => [webhook.path, webhook]));
  const known = [...byPath.keys()].join(', ');
  const { observer, budget = new BodyBudget() } = options;
  return (request, response) => {
    const path = pathOf(request);
    const webhook = byPath.get(path);
    if (webhook === undefined && answerProbe(request, response, options.probes)) return;
    const answer = webhook
      ? review(webhook, { request, response, observer, budget })
      : Promise.reject(reviewErrors('unknown-path', { path: path.slice(0, 100), known }));
    // A metric label must be bounded, and a path is the sender's choice.
    answer.catch((error: unknown) => answerError(error, response, webhook?.name ?? 'other', observer));
  };
}

const pathOf = ({ url = '' }: IncomingMessage): string => {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
};

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly observer: Observer;
  readonly budget: BodyBudget;
}

async function review(webhook: Webhook, { request, response, observer, budget }: Exchange): Promise<void> {
  requirePostedJson(request);
  await withBody(request, budget, async (body) => {
    const asked = readReview(body);
    const started = performance.now();
    const decision = await decideSafely(webhook, asked);
    observer.decided(webhook.name, asked, decision, performance.now() - started);
    send(response, 200, 'application/json; charset=utf-8', answerReview(asked.uid, decision));
  });
}

function requirePostedJson({ method = '', headers }: IncomingMessage): void {
  if (method !== 'POST') throw reviewErrors('not-post', { method });
  const type = headers['content-type'] ?? '';
  if (type === 'application/json') return;
  if (type.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    throw reviewErrors('wrong-content-type', { type: type.slice(0, 100) });
  }
}

/** A bug in a rule must neither crash the process nor let the API server guess: it is a refusal with code 500. */
async function decideSafely(webhook: Webhook, request: ReviewRequest): Promise<Decision> {
  try {
    return await webhook.decide(request);
  } catch (error) {
    const status = error instanceof TandemError ? error.status : 500;
    const why = isTooDeep(error) ? 'the object is nested too deep to be judged' : describeError(error);
    const message = `tandem could not judge it: ${why.slice(0, 1000)}; see the webhook's log for this uid`;
    const refusal = refuse(status, status < 500 ? 'BadRequest' : 'InternalError', message);
    // The stack of a bug belongs in the log, never in an answer.
    return status >= 500 && error instanceof Error ? { ...refusal, note: error.stack ?? '' } : refusal;
  }
}

/** How V8 says that the stack is full; a RangeError has other reasons too. */
const isTooDeep = (error: unknown): boolean =>
  error instanceof RangeError && error.message.startsWith('Maximum call stack size exceeded');

function answerError(error: unknown, response: ServerResponse, webhook: string, observer: Observer): void {
  const { code, message, status } =
    error instanceof TandemError
      ? error
      : reviewErrors('not-readable', { why: describeError(error).slice(0, 200) }, error);
  observer.malformed(webhook, code, message);
  if (response.headersSent || response.destroyed) return;
  // What is left of a body that was refused is not read: the connection ends with the answer.
  response.setHeader('connection', 'close');
  if (status === 429) response.setHeader('retry-after', '1');
  send(response, status, 'text/plain; charset=utf-8', Buffer.from(`${code}: ${message}\n`).toString('latin1'));
}

/** @param text with a character for each byte: so head and body leave in one piece, without being counted and converted */
function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': text.length });
  response.end(text, 'latin1');
}

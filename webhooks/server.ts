import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ServerOptions as NodeServerOptions, Server } from 'node:https';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { describeError, TandemError } from '../src/base/errors.js';
import { explainClientErrors } from '../src/server/client-error.js';
import { answerProbe, type ProbeState } from '../src/server/probes.js';
import { BodyBudget, withBody } from './body.js';
import { type Decision, refuse } from './decision.js';
import { reviewErrors } from './errors.js';
import type { HttpAnswer } from './http-answer.js';
import type { Observer } from './observe.js';
import { type LaneOptions, PlainLane } from './plain-lane.js';
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

/** Longer than the 90 s that Go's client keeps an idle connection, so that we never close one as it is used again. */
const idleTimeout = 100_000;

/** The HTTPS server, not yet listening. Every answer is a well-formed AdmissionReview, a probe, or 4xx with a reason. */
export function createWebhookServer(options: ServerOptions): Server {
  const { budget = new BodyBudget(), requestTimeout = defaultRequestTimeout } = options;
  const judge = judging(options);
  const server = new TwoLaneServer(
    {
      ...options.tls,
      minVersion: 'TLSv1.2',
      requestTimeout,
      headersTimeout: Math.min(5_000, requestTimeout),
      connectionsCheckingInterval: Math.min(1_000, requestTimeout),
      maxHeaderSize: headerBytes,
      handshakeTimeout: 5_000,
    },
    answering(options, judge, budget),
    { answerer: judge, budget, idleTimeout, handedOver: () => options.observer.handedOver() },
  );
  explainClientErrors(server, headerBytes);
  server.keepAliveTimeout = idleTimeout;
  server.maxConnections = 2_000;
  return server;
}

/** Node's server, which gets only the connections on which something other than plain requests comes. */
class TwoLaneServer extends Server {
  readonly #lane: PlainLane;

  constructor(
    options: NodeServerOptions,
    answer: (request: IncomingMessage, response: ServerResponse) => void,
    lane: Omit<LaneOptions, 'takeOver'>,
  ) {
    super(options, answer);
    const nodes = this.listeners('secureConnection');
    this.removeAllListeners('secureConnection');
    const takeOver = (socket: TLSSocket) => {
      for (const listener of nodes) listener.call(this, socket);
    };
    this.#lane = new PlainLane({ ...lane, takeOver });
    this.on('secureConnection', (socket) => this.#lane.take(socket));
    this.once('close', () => this.#lane.closeAll());
  }

  override closeIdleConnections(): void {
    this.#lane.closeIdle();
    super.closeIdleConnections();
  }

  override closeAllConnections(): void {
    this.#lane.closeAll();
    super.closeAllConnections();
  }
}

/** Answers the body of a review at a path: with the decision, or with what is wrong. */
type Judge = (path: string) => ((body: Buffer) => Promise<HttpAnswer>) | undefined;

function judging({ webhooks, observer }: ServerOptions): Judge {
  const answerers = new Map(
    webhooks.map((webhook) => {
      const answer = (body: Buffer) =>
        review(webhook, body, observer).catch((error: unknown) => answerTo(error, webhook.name, observer));
      return [webhook.path, answer] as const;
    }),
  );
  return (path) => answerers.get(path);
}

/** Answers every request of Node's server: a webhook's path with its decision, a probe, or with what is wrong. */
function answering(
  { webhooks, observer, probes }: ServerOptions,
  judge: Judge,
  budget: BodyBudget,
): (request: IncomingMessage, response: ServerResponse) => void {
  const names = new Map(webhooks.map(({ path, name }) => [path, name]));
  const known = [...names.keys()].join(', ');
  return (request, response) => {
    const path = pathOf(request);
    const answer = judge(path);
    if (answer === undefined && answerProbe(request, response, probes)) return;
    const answered = answer
      ? collected(request, budget, answer)
      : Promise.reject(reviewErrors('unknown-path', { path: path.slice(0, 100), known }));
    answered
      // A metric label must be bounded, and a path is the sender's choice.
      .catch((error: unknown) => answerTo(error, names.get(path) ?? 'other', observer))
      .then((given) => send(response, given))
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  };
}

const pathOf = ({ url = '' }: IncomingMessage): string => {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
};

async function collected(
  request: IncomingMessage,
  budget: BodyBudget,
  answer: (body: Buffer) => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  requirePostedJson(request);
  return withBody(request, budget, answer);
}

async function review(webhook: Webhook, body: Buffer, observer: Observer): Promise<HttpAnswer> {
  const asked = readReview(body);
  const started = performance.now();
  const decision = await decideSafely(webhook, asked);
  observer.decided(webhook.name, asked, decision, performance.now() - started);
  return {
    status: 200,
    type: 'application/json; charset=utf-8',
    text: answerReview(asked.uid, decision),
    ends: false,
  };
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

/** What is left of a body that was refused is not read, so the connection ends with the answer. */
function answerTo(error: unknown, webhook: string, observer: Observer): HttpAnswer {
  const { code, message, status } =
    error instanceof TandemError
      ? error
      : reviewErrors('not-readable', { why: describeError(error).slice(0, 200) }, error);
  observer.malformed(webhook, code, message);
  const text = Buffer.from(`${code}: ${message}\n`).toString('latin1');
  const answer = { status, type: 'text/plain; charset=utf-8', text, ends: true };
  return status === 429 ? { ...answer, retryAfter: 1 } : answer;
}

function send(response: ServerResponse, { status, type, text, ends, retryAfter }: HttpAnswer): void {
  if (response.headersSent || response.destroyed) return;
  if (ends) response.setHeader('connection', 'close');
  if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
  response.writeHead(status, { 'content-type': type, 'content-length': text.length });
  response.end(text, 'latin1');
}

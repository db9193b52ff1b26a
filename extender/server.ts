import { createServer, type Server } from 'node:http';
import express, { type ErrorRequestHandler, type RequestHandler, type Response } from 'express';
import { describeError, TandemError } from '../src/base/errors.js';
import { explainClientErrors } from '../src/server/client-error.js';
import { answerProbe } from '../src/server/probes.js';
import type { Logger } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import type { Answer } from './answers.js';
import { extenderErrors } from './errors.js';
import type { ExtenderMetrics, Verb } from './metrics.js';

export interface ServerOptions {
  readonly answers: Readonly<Record<Verb, Answer>>;
  readonly metrics: Metrics;
  readonly counters: ExtenderMetrics;
  readonly notReady: () => string | undefined;
  readonly logger: Logger;
}

/** Names only: 15 000 long node names and a large pod are 5 MB. Whole nodes and Volcano's NodeInfos need more. */
const namesLimit = '16mb';
const objectsLimit = '64mb';
const headerBytes = 16_384;

/** The HTTP server of both schedulers' protocols; not listening yet. */
export function createExtenderServer(options: ServerOptions): Server {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use((request, response, next) => {
    const state = { notReady: options.notReady, metrics: options.metrics };
    if (request.method !== 'GET' || !answerProbe(request, response, state)) next();
  });
  const verbs = [
    ['/prioritize', namesLimit, options.answers.prioritize],
    ['/filter', namesLimit, options.answers.filter],
    ['/volcano/prioritize', objectsLimit, options.answers['volcano-prioritize']],
  ] as const;
  for (const [path, limit, answer] of verbs) {
    app.post(path, express.json({ limit, strict: false, type: () => true }), answering(answer));
    app.all(path, (request) => {
      throw extenderErrors('wrong-method', { method: request.method, path });
    });
  }
  app.use((request) => {
    throw extenderErrors('unknown-path', { path: request.path });
  });
  app.use(failing(options));
  const server = createServer({ maxHeaderSize: headerBytes }, app);
  explainClientErrors(server, headerBytes);
  // Go keeps idle connections for 90 s and does not retry a POST on one that we close first.
  server.keepAliveTimeout = 120_000;
  server.headersTimeout = 125_000;
  server.requestTimeout = 30_000;
  return server;
}

function answering(answer: Answer): RequestHandler {
  return (request, response) => send(response, 200, answer(request.body));
}

/** Four parameters, because that is how express knows an error handler. */
function failing({ logger, counters }: ServerOptions): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const ours = toTandemError(error);
    counters.refused(ours.code);
    if (ours.code === 'internal-error')
      logger.error({ path: request.path, error: describeError(error) }, 'a request failed');
    if (response.headersSent) response.destroy();
    else send(response, ours.status, JSON.stringify({ code: ours.code, message: ours.message }));
  };
}

/** express and its body parser throw errors with a `type`; what is not known there is a bug of ours. */
function toTandemError(error: unknown): TandemError {
  if (error instanceof TandemError) return error;
  const type = error instanceof Error && 'type' in error ? String(error.type) : '';
  if (type === 'entity.too.large') return extenderErrors('body-too-large', { limit: namesLimit }, error);
  const isClientFault = error instanceof Error && 'status' in error && Number(error.status) < 500;
  if (isClientFault) return extenderErrors('malformed-body', { why: describeError(error) }, error);
  return extenderErrors('internal-error', {}, error);
}

/** One write with its length: Go drops a connection whose chunked answer it has not read to the end. */
function send(response: Response, status: number, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

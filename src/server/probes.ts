import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { describeError } from '../base/errors.js';
import type { Metrics } from '../telemetry/metrics.js';
import { explainClientErrors } from './client-error.js';
import { type Address, listen } from './listen.js';

export interface ProbeState {
  /** undefined when ready, else why not, as text for a person. */
  readonly notReady: () => string | undefined | Promise<string | undefined>;
  readonly metrics: Pick<Metrics, 'render' | 'contentType'>;
}

export interface ProbeAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const text = 'text/plain; charset=utf-8';

/** The answer to `/healthz`, `/readyz` and `/metrics`; undefined for any other path, so that a server can answer it itself. */
export function probeAnswer(path: string, { notReady, metrics }: ProbeState): Promise<ProbeAnswer> | undefined {
  switch (path) {
    case '/healthz':
      return Promise.resolve({ status: 200, type: text, body: 'ok\n' });
    case '/readyz':
      return Promise.resolve(notReady()).then((why) => ({
        status: why === undefined ? 200 : 503,
        type: text,
        body: why === undefined ? 'ready\n' : `not ready: ${why}\n`,
      }));
    case '/metrics':
      return metrics.render().then(
        (body) => ({ status: 200, type: metrics.contentType, body }),
        (error: unknown) => ({ status: 500, type: text, body: `metrics failed: ${describeError(error)}\n` }),
      );
    default:
      return undefined;
  }
}

/** Answers a probe; returns false for any other path. */
export function answerProbe(request: IncomingMessage, response: ServerResponse, state: ProbeState): boolean {
  const answer = probeAnswer(request.url?.split('?')[0] ?? '', state);
  if (!answer) return false;
  void answer.then(({ status, type, body }) => send(response, status, body, type));
  return true;
}

const headerBytes = 16_384;

/** A plain HTTP server that answers the three probe paths and 404 for the rest. */
export async function startProbeServer(
  address: Address,
  state: ProbeState,
): Promise<{ address: Address; server: Server; stop: () => Promise<void> }> {
  const server = createServer({ maxHeaderSize: headerBytes }, (request, response) => {
    if (!answerProbe(request, response, state)) send(response, 404, 'try /healthz, /readyz or /metrics\n', text);
  });
  explainClientErrors(server, headerBytes);
  const bound = await listen(server, address);
  return { address: bound, server, stop: () => closeServer(server) };
}

/** Stops accepting, closes idle connections, and resolves when the last one is gone. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) =>
      error && (error as NodeJS.ErrnoException).code !== 'ERR_SERVER_NOT_RUNNING' ? reject(error) : resolve(),
    );
    server.closeAllConnections();
  });
}

function send(response: ServerResponse, status: number, body: string, type: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

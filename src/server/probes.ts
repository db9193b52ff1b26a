import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Metrics } from '../telemetry/metrics.js';
import { explainClientErrors } from './client-error.js';
import { type Address, listen } from './listen.js';

export interface ProbeState {
  /** undefined when ready, else why not, as text for a person. */
  readonly notReady: () => string | undefined;
  readonly metrics: Metrics;
}

/** Answers `/healthz`, `/readyz` and `/metrics`; returns false for any other path, so that a server can answer it itself. */
export function answerProbe(request: IncomingMessage, response: ServerResponse, state: ProbeState): boolean {
  switch (request.url?.split('?')[0]) {
    case '/healthz':
      send(response, 200, 'ok\n');
      return true;
    case '/readyz': {
      const why = state.notReady();
      send(response, why === undefined ? 200 : 503, why === undefined ? 'ready\n' : `not ready: ${why}\n`);
      return true;
    }
    case '/metrics':
      state.metrics.render().then(
        (text) => send(response, 200, text, state.metrics.contentType),
        (error: unknown) => send(response, 500, `metrics failed: ${String(error)}\n`),
      );
      return true;
    default:
      return false;
  }
}

const headerBytes = 16_384;

/** A plain HTTP server that answers the three probe paths and 404 for the rest. */
export async function startProbeServer(
  address: Address,
  state: ProbeState,
): Promise<{ address: Address; server: Server; stop: () => Promise<void> }> {
  const server = createServer({ maxHeaderSize: headerBytes }, (request, response) => {
    if (!answerProbe(request, response, state)) send(response, 404, 'try /healthz, /readyz or /metrics\n');
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

function send(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

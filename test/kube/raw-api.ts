/** An HTTP server that answers as an API server may, faults included: each request is handed to a script. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Test } from 'tap';
import type { KubeClient, RawObject } from '../../src/kube/client.js';
import { connectCluster } from '../../src/kube/http-client.js';
import type { Connection } from '../../src/kube/kubeconfig.js';

export type Script = (request: IncomingMessage & { body: string }, response: ServerResponse, nth: number) => void;

export interface RawApi {
  readonly client: KubeClient;
  readonly connection: Connection;
  /** `METHOD path?query` of every request so far. */
  readonly seen: string[];
  answer(script: Script): void;
}

export async function rawApi(t: Test, script: Script, options: { timeout?: number } = {}): Promise<RawApi> {
  const seen: string[] = [];
  let current = script;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push(`${request.method} ${request.url}`);
      current(Object.assign(request, { body: Buffer.concat(chunks).toString() }), response, seen.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const control = new AbortController();
  const connection = plainConnection(`http://127.0.0.1:${port}/prefix`);
  const client = connectCluster(connection, { signal: control.signal, userAgent: 'test', ...options });
  t.teardown(async () => {
    control.abort();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    client,
    connection,
    seen,
    answer(next) {
      current = next;
    },
  };
}

export const plainConnection = (server: string): Connection => ({
  server,
  ca: undefined,
  cert: undefined,
  key: undefined,
  servername: undefined,
  insecure: false,
  namespace: 'default',
  source: 'test',
  headers: async () => ({ authorization: 'Bearer secret' }),
});

export const json = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

export const status = (code: number, reason: string, message: string, details?: object) => ({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  code,
  reason,
  message,
  details,
});

export const pod = (name: string, version: number, uid = `uid-${name}`): RawObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', uid, resourceVersion: String(version) },
});

export const list = (version: number, items: readonly RawObject[], next?: string) => ({
  kind: 'PodList',
  apiVersion: 'v1',
  metadata: { resourceVersion: String(version), ...(next === undefined ? {} : { continue: next }) },
  items,
});

export const event = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;
export const isWatch = ({ url }: IncomingMessage): boolean => url?.includes('watch=true') === true;

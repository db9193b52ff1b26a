/** A webhook over TLS for tests: answers each path with what the test says, and keeps what it was sent. */
import { createServer } from 'node:https';
import { createAuthority, issueServing } from '../../../src/certs/authority.js';
import { listen } from '../../../src/server/listen.js';

// biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever the server said
type Review = any;

export type Answers = Readonly<Record<string, (request: Review) => object | undefined>>;

export interface WebhookServer extends AsyncDisposable {
  readonly port: number;
  /** PEM in base64, as `caBundle` wants it. */
  readonly caBundle: string;
  /** Reviews in the order they came, with the path each was sent to. */
  readonly seen: { readonly path: string; readonly request: Review; readonly servername: string }[];
}

const dayMs = 86_400_000;

/** `answers` maps a path to a response without uid; undefined breaks the connection. */
export async function startWebhookServer(
  answers: Answers,
  hosts: readonly string[] = ['127.0.0.1'],
): Promise<WebhookServer> {
  const validity = { notBefore: Date.now() - dayMs, notAfter: Date.now() + dayMs };
  const authority = await createAuthority('webhook-test', validity);
  const serving = await issueServing(authority, { hosts, validity });
  const seen: WebhookServer['seen'] = [];
  const server = createServer({ key: serving.key, cert: serving.certificate }, (incoming, outgoing) => {
    let text = '';
    incoming.setEncoding('utf8');
    incoming.on('data', (chunk: string) => {
      text += chunk;
    });
    incoming.on('end', () => {
      const { request } = JSON.parse(text);
      const path = new URL(incoming.url ?? '/', 'https://x').pathname;
      const { servername } = incoming.socket as unknown as { servername: string };
      seen.push({ path, request, servername });
      const response = answers[path]?.(request);
      if (response === undefined) {
        outgoing.destroy();
        return;
      }
      const body = {
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        response: { uid: request.uid, ...response },
      };
      outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  const { port } = await listen(server, { host: '127.0.0.1', port: 0 });
  return {
    port,
    caBundle: Buffer.from(authority.certificate).toString('base64'),
    seen,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export const jsonPatchAnswer = (operations: readonly object[], more: object = {}) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
  ...more,
});

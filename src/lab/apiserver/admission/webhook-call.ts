/** One call of one webhook over TLS: the review goes out, the answer is checked as the real server checks it. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { describeError } from '../../../base/errors.js';
import { type Dict, dictOf, isDict, listOf, type Obj, textOf } from '../object.js';
import type { Attributes } from './attributes.js';
import { reviewRequest, type Webhook } from './matching.js';

/** Maps a service to where it listens; undefined when nobody does. */
export type ResolveService = (service: {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}) => { readonly host: string; readonly port: number } | undefined;

export interface Verdict {
  readonly allowed: boolean;
  readonly status: Dict;
  readonly warnings: readonly string[];
  /** RFC 6902 operations; empty when the webhook changes nothing. */
  readonly patch: readonly unknown[];
}

/** Anything that kept a webhook from giving a verdict; `failurePolicy` decides what follows. */
export class WebhookFailure extends Error {}

interface Destination {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Name that the certificate must be for. */
  readonly servername: string;
  /** As an error names it. */
  readonly url: string;
}

const answerLimit = 3 * 1024 * 1024;
const agentLimit = 64;
const msPerSecond = 1000;

export class WebhookCaller {
  readonly #resolve: ResolveService | undefined;
  readonly #signal: AbortSignal;
  readonly #agents = new Map<string, Agent>();

  constructor(resolve: ResolveService | undefined, signal: AbortSignal) {
    this.#resolve = resolve;
    this.#signal = signal;
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  async call(webhook: Webhook, attributes: Attributes, object: Obj | undefined): Promise<Verdict> {
    const uid = randomUUID();
    const body = {
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1',
      request: reviewRequest(uid, attributes, object),
    };
    if (!webhook.admissionReviewVersions.includes('v1')) {
      throw new WebhookFailure('only admissionReviewVersions v1 is supported by the lab');
    }
    const to = this.#destination(webhook);
    const text = await this.#post(webhook, to, JSON.stringify(body));
    return readVerdict(text, uid);
  }

  #destination({ clientConfig }: Webhook): Destination {
    const { url, service } = clientConfig;
    if (url !== undefined) {
      const parsed = new URL(url);
      const host = parsed.hostname.replace(/^\[|\]$/g, '');
      return {
        host,
        port: Number(parsed.port || 443),
        path: `${parsed.pathname}${parsed.search}`,
        servername: host,
        url,
      };
    }
    if (service === undefined) throw new WebhookFailure('clientConfig names neither url nor service');
    const { namespace, name, port = 443, path = '/' } = service;
    const servername = `${name}.${namespace}.svc`;
    const found = this.#resolve?.({ namespace, name, port });
    const shown = `https://${servername}:${port}${path}`;
    if (found === undefined) throw new WebhookFailure(`Post "${shown}": service "${name}" not found`);
    return { ...found, path, servername, url: shown };
  }

  #post({ clientConfig, timeoutSeconds }: Webhook, to: Destination, body: string): Promise<string> {
    const timeout = AbortSignal.timeout(timeoutSeconds * msPerSecond);
    const url = new URL(to.url);
    url.searchParams.set('timeout', `${timeoutSeconds}s`);
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        const why = timeout.aborted ? 'context deadline exceeded' : describeError(error);
        reject(new WebhookFailure(`failed to call webhook: Post "${url.href}": ${why}`));
      };
      const outgoing = request({
        host: to.host,
        port: to.port,
        path: `${url.pathname}${url.search}`,
        method: 'POST',
        agent: this.#agent(clientConfig.caBundle, to.servername),
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          'content-length': Buffer.byteLength(body),
        },
        signal: AbortSignal.any([timeout, this.#signal]),
      });
      outgoing.on('error', fail);
      outgoing.on('response', (incoming) => {
        readAnswer(incoming).then(resolve, fail);
      });
      outgoing.end(body);
    });
  }

  /** Connections are kept per CA and name, so that a new caBundle never reuses an old trust. */
  #agent(caBundle: string | undefined, servername: string): Agent {
    const key = `${servername} ${caBundle ?? ''}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const oldest = this.#agents.entries().next();
    if (this.#agents.size >= agentLimit && !oldest.done) {
      oldest.value[1].destroy();
      this.#agents.delete(oldest.value[0]);
    }
    const agent = new Agent({
      keepAlive: true,
      maxFreeSockets: 4,
      // node refuses an IP address as SNI, and then verifies against the host that is connected to.
      ...(/^[\d.]+$|:/.test(servername) ? {} : { servername }),
      ...(caBundle === undefined ? {} : { ca: Buffer.from(caBundle, 'base64').toString('utf8') }),
    });
    this.#agents.set(key, agent);
    return agent;
  }
}

/** The whole body of an answer with status 200. */
async function readAnswer(incoming: IncomingMessage): Promise<string> {
  let text = '';
  incoming.setEncoding('utf8');
  for await (const chunk of incoming as AsyncIterable<string>) {
    text += chunk;
    if (text.length > answerLimit) throw new Error(`the answer is longer than ${answerLimit} bytes`);
  }
  if (incoming.statusCode === 200) return text;
  throw new Error(`the server responded with status ${incoming.statusCode}: ${text.slice(0, 200)}`);
}

function readVerdict(text: string, uid: string): Verdict {
  const review = parse(text);
  const response = review['response'];
  if (!isDict(response)) throw new WebhookFailure(`expected response.uid="${uid}", got an answer without response`);
  if (review['kind'] !== 'AdmissionReview' || review['apiVersion'] !== 'admission.k8s.io/v1') {
    throw new WebhookFailure(
      `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${String(review['apiVersion'])}, Kind=${String(review['kind'])}`,
    );
  }
  if (response['uid'] !== uid)
    throw new WebhookFailure(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'])}`);
  return {
    allowed: response['allowed'] === true,
    status: dictOf(response['status']),
    warnings: listOf(response['warnings']).filter((warning): warning is string => typeof warning === 'string'),
    patch: readPatch(response),
  };
}

function readPatch(response: Dict): readonly unknown[] {
  const patch = textOf(response['patch']);
  if (patch === '') return [];
  if (response['patchType'] !== 'JSONPatch')
    throw new WebhookFailure(`invalid response.patchType ${JSON.stringify(response['patchType'])}: expected JSONPatch`);
  const operations = parse(Buffer.from(patch, 'base64').toString('utf8'), 'response.patch') as unknown;
  if (!Array.isArray(operations)) throw new WebhookFailure('response.patch is not a list of operations');
  return operations as unknown[];
}

function parse(text: string, what = 'the answer'): Dict {
  try {
    return JSON.parse(text) as Dict;
  } catch (error) {
    throw new WebhookFailure(`${what} is not JSON: ${(error as Error).message}`);
  }
}

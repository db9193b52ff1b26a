/** Requests to one API server: time limits, retries of what is safe to repeat, and errors that say what to do. */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent, Dispatcher } from 'undici';
import { describeError, TandemError, table } from '../base/errors.js';
import type { ByteStream } from './client.js';
import { KubeError, readStatus } from './kube-error.js';
import { type Connection, connectionErrors } from './kubeconfig.js';

export const transportErrors = table({
  'kube-timeout': {
    status: 504,
    retryable: true,
    says: (m: { request: string; seconds: number }) =>
      `the API server did not answer ${m.request} within ${m.seconds} s; check its load and the network, it is tried again`,
  },
  'client-closed': {
    status: 500,
    retryable: false,
    says: (m: { request: string }) => `the client was stopped before ${m.request}; start it again`,
  },
});

export interface TransportOptions {
  readonly agent: Agent;
  readonly connection: Connection;
  readonly signal: AbortSignal;
  readonly userAgent: string;
  /** Milliseconds. */
  readonly timeout: number;
  /** Told each warning that the API server sends beside an answer. */
  readonly onWarning?: (text: string) => void;
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly contentType: string;
}

const attempts = 3;
const longestWait = 10_000;
type Headers = Readonly<Record<string, string | string[] | undefined>>;

export class Transport {
  readonly #options: TransportOptions;
  readonly #base: URL;
  readonly #inFlight = new Set<AbortController>();
  readonly #onAbort = () => void this.close();
  #closed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#base = new URL(options.connection.server);
    setMaxListeners(0, options.signal);
    if (options.signal.aborted) this.#closed = true;
    else options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** The parsed JSON body of a 2xx answer. */
  async send<T>(sent: Sent): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once<T>(sent);
      } catch (error) {
        const wait = attempt < attempts && !this.#closed ? waitBefore(error, sent.method, attempt) : undefined;
        if (wait === undefined) throw error;
        await delay(wait, undefined, { signal: this.#options.signal });
      }
    }
  }

  /** The body of a 200 answer as it comes; ends with the signal or the client. */
  async open(path: string, signal: AbortSignal): Promise<ByteStream> {
    const sent = { method: 'GET', path, contentType: '' };
    const control = this.#track();
    const forward = () => control.abort();
    if (signal.aborted) forward();
    signal.addEventListener('abort', forward, { once: true });
    const done = () => {
      this.#inFlight.delete(control);
      signal.removeEventListener('abort', forward);
    };
    try {
      const { statusCode, headers, body } = await this.#dispatch(sent, control.signal);
      // Aborting a body that nobody reads emits `error` on it, which would end the process.
      body.on('error', done);
      body.on('close', done);
      if (statusCode >= 300) throw refusal(statusCode, headers, await body.text(), sent);
      return body;
    } catch (error) {
      done();
      throw this.#explain(error, sent);
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    for (const one of this.#inFlight) one.abort();
    return this.#options.agent.destroy();
  }

  async #once<T>(sent: Sent): Promise<T> {
    const { timeout } = this.#options;
    const control = this.#track();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      control.abort();
    }, timeout);
    try {
      const { statusCode, headers, body } = await this.#dispatch(sent, control.signal);
      const text = await body.text();
      if (statusCode >= 300) throw refusal(statusCode, headers, text, sent);
      return (text === '' ? undefined : JSON.parse(text)) as T;
    } catch (error) {
      if (late) throw transportErrors('kube-timeout', { request: nameOf(sent), seconds: timeout / 1000 }, error);
      throw this.#explain(error, sent);
    } finally {
      clearTimeout(timer);
      this.#inFlight.delete(control);
    }
  }

  async #dispatch(sent: Sent, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    if (this.#closed) throw transportErrors('client-closed', { request: nameOf(sent) });
    const { agent, connection, userAgent } = this.#options;
    const headers = await connection.headers();
    const response = await agent.request({
      origin: this.#base.origin,
      path: this.#base.pathname.replace(/\/+$/, '') + sent.path,
      method: sent.method as Dispatcher.HttpMethod,
      headers: {
        ...headers,
        accept: 'application/json',
        'user-agent': userAgent,
        ...(sent.body === undefined ? {} : { 'content-type': sent.contentType }),
      },
      body: sent.body ?? null,
      signal,
      headersTimeout: 0, // the one limit is ours, and a watch has none
      bodyTimeout: 0,
    });
    if (this.#options.onWarning) for (const text of warningsIn(response.headers)) this.#options.onWarning(text);
    return response;
  }

  #track(): AbortController {
    const control = new AbortController();
    this.#inFlight.add(control);
    return control;
  }

  #explain(error: unknown, sent: Sent): Error {
    if (error instanceof TandemError) return error;
    if (this.#closed) return transportErrors('client-closed', { request: nameOf(sent) }, error);
    const { server } = this.#options.connection;
    return connectionErrors('unreachable', { server, why: describeError(error) }, error);
  }
}

/** Milliseconds until the request may be repeated; undefined when it must not be: a write may already have happened. */
function waitBefore(error: unknown, method: string, attempt: number): number | undefined {
  if (!(error instanceof TandemError)) return undefined;
  if (error.status === 429) return asked(error) ?? 1000; // refused before it was processed
  if (method !== 'GET') return undefined;
  // A kept-alive socket that the server closes under a new request shows as a reset; reading again is free.
  if (error.code === 'unreachable') return 50 * attempt;
  const serverFailed = error.code === 'kube-refused' && error.status >= 500 && error.status !== 501;
  return serverFailed ? (asked(error) ?? 100 * 2 ** attempt) : undefined;
}

function asked(error: TandemError): number | undefined {
  const seconds = error instanceof KubeError ? error.retryAfter : undefined;
  return seconds === undefined ? undefined : Math.min(seconds * 1000, longestWait);
}

function refusal(status: number, headers: Headers, text: string, sent: Sent): KubeError {
  const after = headers['retry-after'];
  return new KubeError(status, nameOf(sent), readStatus(text, typeof after === 'string' ? after : undefined, status));
}

const nameOf = ({ method, path }: Sent): string => `${method} ${path.split('?')[0]}`;

/** Texts of `Warning: 299 - "text"` headers, as the API server writes them (RFC 7234, 5.5). */
function warningsIn(headers: Headers): string[] {
  const values = headers['warning'] ?? [];
  return (Array.isArray(values) ? values : [values]).flatMap((value) =>
    [...value.matchAll(/\d{3} \S+ "((?:[^"\\]|\\.)*)"/g)].map((match) => (match[1] ?? '').replace(/\\(.)/g, '$1')),
  );
}

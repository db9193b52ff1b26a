/** Requests to one API server: time limits, retries of what is safe to repeat, and errors that say what to do. */
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
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly contentType: string;
}

export interface Transport {
  /** The parsed JSON body of a 2xx answer. */
  send<T>(request: Sent): Promise<T>;
  open(path: string, signal: AbortSignal): Promise<ByteStream>;
  close(): Promise<void>;
}

const attempts = 3;
const longestWait = 10_000;
type Headers = Readonly<Record<string, string | string[] | undefined>>;

export function createTransport(options: TransportOptions): Transport {
  const { agent, connection, signal } = options;
  const base = new URL(connection.server);
  const prefix = base.pathname.replace(/\/+$/, '');
  const inFlight = new Set<AbortController>();
  let closed = signal.aborted;

  const close = () => {
    closed = true;
    signal.removeEventListener('abort', onAbort);
    for (const one of inFlight) one.abort();
    return agent.destroy();
  };
  const onAbort = () => void close();
  signal.addEventListener('abort', onAbort, { once: true });

  const dispatch = async (sent: Sent, abort: AbortSignal): Promise<Dispatcher.ResponseData> => {
    if (closed) throw transportErrors('client-closed', { request: nameOf(sent) });
    const headers = await connection.headers();
    return agent.request({
      origin: base.origin,
      path: prefix + sent.path,
      method: sent.method as Dispatcher.HttpMethod,
      headers: {
        ...headers,
        accept: 'application/json',
        'user-agent': options.userAgent,
        ...(sent.body === undefined ? {} : { 'content-type': sent.contentType }),
      },
      body: sent.body ?? null,
      signal: abort,
      headersTimeout: 0, // the one limit is ours, and a watch has none
      bodyTimeout: 0,
    });
  };

  const once = async <T>(sent: Sent): Promise<T> => {
    const control = new AbortController();
    inFlight.add(control);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      control.abort();
    }, options.timeout);
    try {
      const { statusCode, headers, body } = await dispatch(sent, control.signal);
      const text = await body.text();
      if (statusCode >= 300) throw refusal(statusCode, headers, text, sent);
      return (text === '' ? undefined : JSON.parse(text)) as T;
    } catch (error) {
      if (late)
        throw transportErrors('kube-timeout', { request: nameOf(sent), seconds: options.timeout / 1000 }, error);
      throw explain(error, sent, connection.server, closed);
    } finally {
      clearTimeout(timer);
      inFlight.delete(control);
    }
  };

  return {
    async send<T>(sent: Sent): Promise<T> {
      for (let attempt = 1; ; attempt++) {
        try {
          return await once<T>(sent);
        } catch (error) {
          const wait = attempt < attempts && !closed ? waitBefore(error, sent.method, attempt) : undefined;
          if (wait === undefined) throw error;
          await delay(wait, undefined, { signal });
        }
      }
    },

    async open(path, abort) {
      const sent = { method: 'GET', path, contentType: '' };
      const control = new AbortController();
      const forward = () => control.abort();
      if (abort.aborted) forward();
      inFlight.add(control);
      abort.addEventListener('abort', forward, { once: true });
      const done = () => {
        inFlight.delete(control);
        abort.removeEventListener('abort', forward);
      };
      try {
        const { statusCode, headers, body } = await dispatch(sent, control.signal);
        // Aborting a body that nobody reads emits `error` on it, which would end the process.
        body.on('error', done);
        body.on('close', done);
        if (statusCode >= 300) throw refusal(statusCode, headers, await body.text(), sent);
        return body;
      } catch (error) {
        done();
        throw explain(error, sent, connection.server, closed);
      }
    },

    close,
  };
}

/** Milliseconds until the request may be repeated; undefined when it must not be: a write may already have happened. */
function waitBefore(error: unknown, method: string, attempt: number): number | undefined {
  if (error instanceof KubeError) {
    const asked = error.retryAfter === undefined ? undefined : Math.min(error.retryAfter * 1000, longestWait);
    if (error.status === 429) return asked ?? 1000; // refused before it was processed
    if (error.status >= 500 && error.status !== 501 && method === 'GET') return asked ?? 100 * 2 ** attempt;
    return undefined;
  }
  // A kept-alive socket that the server closes under a new request shows as a reset; reading again is free.
  return error instanceof TandemError && error.code === 'unreachable' && method === 'GET' ? 50 * attempt : undefined;
}

function refusal(status: number, headers: Headers, text: string, sent: Sent): KubeError {
  const after = headers['retry-after'];
  return new KubeError(status, nameOf(sent), readStatus(text, typeof after === 'string' ? after : undefined, status));
}

function explain(error: unknown, sent: Sent, server: string, closed: boolean): Error {
  if (error instanceof TandemError) return error;
  if (closed) return transportErrors('client-closed', { request: nameOf(sent) }, error);
  return connectionErrors('unreachable', { server, why: describeError(error) }, error);
}

const nameOf = ({ method, path }: Sent): string => `${method} ${path.split('?')[0]}`;

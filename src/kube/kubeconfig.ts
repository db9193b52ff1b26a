/** How to reach an API server: a named file, KUBECONFIG, the mounted service account, or ~/.kube/config, in this order. */

import { access, readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import { systemClock } from '../base/clock.js';
import { describeError, table } from '../base/errors.js';
import { type PlainKubeconfig, readPlainKubeconfig } from './plain-kubeconfig.js';

export const connectionErrors = table({
  'no-kubeconfig': {
    status: 500,
    retryable: false,
    says: (m: { looked: string }) =>
      `no cluster to talk to (looked for ${m.looked}); name one with --kubeconfig FILE or KUBECONFIG`,
  },
  'bad-kubeconfig': {
    status: 500,
    retryable: false,
    says: (m: { file: string; why: string }) =>
      `kubeconfig ${m.file} cannot be used: ${m.why}; correct it, or name another with --kubeconfig FILE`,
  },
  unreachable: {
    status: 503,
    retryable: true,
    says: (m: { server: string; why: string }) =>
      `cannot reach the API server ${m.server}: ${m.why}; check that the cluster runs and that the kubeconfig names its address and CA`,
  },
});

/** One identity at one API server. PEM texts; `headers` is asked per request, so that rotated tokens are used. */
export interface Connection {
  /** `https://host:port`, possibly with a path prefix. */
  readonly server: string;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Server name for TLS when it differs from the host. */
  readonly servername: string | undefined;
  /** True when the server's certificate is not verified, because the user asked for that. */
  readonly insecure: boolean;
  /** Namespace of the context or of the service account. */
  readonly namespace: string;
  /** Namespace that this process itself runs in, when it runs in the cluster. */
  readonly podNamespace?: string;
  /** Where this was read, for messages. */
  readonly source: string;
  headers(): Promise<Record<string, string>>;
}

export interface ConnectionOptions {
  /** The value of --kubeconfig. */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where Kubernetes mounts token, ca.crt and namespace. */
  readonly serviceAccount?: string;
}

const mountedAt = '/var/run/secrets/kubernetes.io/serviceaccount';

export async function loadConnection({
  env,
  file,
  serviceAccount = mountedAt,
}: ConnectionOptions): Promise<Connection> {
  const listed = file === undefined ? (env['KUBECONFIG'] ?? '').split(delimiter) : [file];
  const named = listed.filter((path) => path !== '');
  if (named.length > 0) return fromFiles(named);
  const host = env['KUBERNETES_SERVICE_HOST'];
  if (host !== undefined && (await exists(join(serviceAccount, 'token')))) {
    return fromServiceAccount(serviceAccount, host, env['KUBERNETES_SERVICE_PORT'] ?? '443');
  }
  const home = join(env['HOME'] ?? '', '.kube', 'config');
  if (await exists(home)) return fromFiles([home]);
  throw connectionErrors('no-kubeconfig', { looked: `KUBECONFIG, ${serviceAccount}/token, ${home}` });
}

/** Without @kubernetes/client-node: inside a cluster its start-up time and memory buy nothing. */
async function fromServiceAccount(folder: string, host: string, port: string): Promise<Connection> {
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  const [ca, namespace] = await Promise.all([read('ca.crt'), read('namespace').catch(() => 'default')]);
  let token = '';
  let readAt = Number.NEGATIVE_INFINITY;
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca,
    cert: undefined,
    key: undefined,
    servername: undefined,
    insecure: false,
    namespace: namespace.trim(),
    podNamespace: namespace.trim(),
    source: folder,
    async headers() {
      // The kubelet replaces the token well before it expires; once a minute is often enough.
      if (systemClock.now() - readAt > 60_000) {
        token = (await read('token')).trim();
        readAt = systemClock.now();
      }
      return { authorization: `Bearer ${token}` };
    },
  };
}

async function fromFiles(files: readonly string[]): Promise<Connection> {
  const source = files.join(delimiter);
  const plain = files.length === 1 ? await readAlone(source) : undefined;
  if (plain) return fromPlain(plain, source);
  const bad: Bad = (why, cause) => connectionErrors('bad-kubeconfig', { file: source, why }, cause);
  const config = await readConfigs(files, bad);
  const cluster = config.getCurrentCluster();
  if (!cluster?.server) throw bad(`current-context "${config.getCurrentContext()}" names no cluster with a server`);
  if (!URL.canParse(cluster.server)) throw bad(`server "${cluster.server}" is not a URL`);
  if (cluster.proxyUrl) throw bad('proxy-url is not supported');
  const { ca, cert, key } = await options(config, bad);
  return {
    server: cluster.server.replace(/\/+$/, ''),
    ca,
    cert,
    key,
    servername: cluster.tlsServerName,
    insecure: cluster.skipTLSVerify === true,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
    source,
    headers: async () => (await options(config, bad)).headers,
  };
}

/** One file that needs no library; undefined also when it cannot be read, which is told when the library is to read it. */
async function readAlone(file: string): Promise<PlainKubeconfig | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : readPlainKubeconfig(text, dirname(file));
}

function fromPlain({ token, server, ...rest }: PlainKubeconfig, source: string): Connection {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return { ...rest, server: server.replace(/\/+$/, ''), source, headers: () => Promise.resolve(headers) };
}

/** Several files are merged, the first one wins, as kubectl does. */
async function readConfigs(files: readonly string[], bad: Bad): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const merged = new KubeConfig();
  for (const [index, file] of files.entries()) {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT'
        ? connectionErrors('no-kubeconfig', { looked: file }, error)
        : bad(error.message, error);
    });
    const one = index === 0 ? merged : new KubeConfig();
    try {
      one.loadFromString(text);
      one.makePathsAbsolute(dirname(file));
      if (one !== merged) mergeInto(merged, one);
    } catch (error) {
      throw bad(firstLine(describeError(error)), error);
    }
  }
  return merged;
}

/** By name; what an earlier file has stays. `KubeConfig.mergeConfig` refuses names that both have. */
function mergeInto(merged: KubeConfig, next: KubeConfig): void {
  for (const one of next.clusters) if (merged.getCluster(one.name) === null) merged.addCluster(one);
  for (const one of next.users) if (merged.getUser(one.name) === null) merged.addUser(one);
  for (const one of next.contexts) if (merged.getContextObject(one.name) === null) merged.addContext(one);
  if (!merged.getCurrentContext()) merged.setCurrentContext(next.getCurrentContext());
}

interface Options {
  readonly headers: Record<string, string>;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

type Bad = (why: string, cause?: unknown) => Error;

/** Runs exec and OIDC plugins when the kubeconfig names one, so this may take a while and may fail. */
async function options(config: KubeConfig, bad: Bad): Promise<Options> {
  const filled: Record<string, unknown> = {};
  try {
    await config.applyToHTTPSOptions(filled);
  } catch (error) {
    throw bad(firstLine(describeError(error)), error);
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(filled['headers'] ?? {})) headers[name.toLowerCase()] = String(value);
  if (typeof filled['auth'] === 'string') {
    headers['authorization'] = `Basic ${Buffer.from(filled['auth']).toString('base64')}`;
  }
  const pem = (value: unknown) => (value === undefined || value === null ? undefined : String(value));
  return { headers, ca: pem(filled['ca']), cert: pem(filled['cert']), key: pem(filled['key']) };
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false; // absent or unreadable: the next source is tried, and the final error names all of them
  }
}

const firstLine = (text: string): string => text.split('\n')[0] ?? text;

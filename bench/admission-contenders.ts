import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { customResourceDefinitions } from '../src/api/crd.js';
import { modelServings } from '../src/api/resources.js';
import type { ModelServing } from '../src/api/types.js';
import { systemClock } from '../src/base/clock.js';
import { createAuthority, issueServing } from '../src/certs/authority.js';
import type { KubeClient, RawObject } from '../src/kube/client.js';
import { connectCluster } from '../src/kube/http-client.js';
import { loadConnection } from '../src/kube/kubeconfig.js';
import { crds, mutatingWebhooks, namespaces } from '../src/kube/resources.js';
import { startApiServer } from '../src/lab/apiserver/server.js';
import { silentLogger } from '../src/telemetry/log.js';
import { type Contender, ended, line, pinned } from './contenders.js';
import { measuredFlags, measuredNode } from './measured-node.js';
import type { Target } from './review-load.js';

export interface WebhookContender extends Contender, Target {}

export interface ApiSite {
  readonly folder: string;
  readonly kubeconfig: string;
  readonly client: KubeClient;
  stop(): Promise<void>;
}

const root = new URL('../../', import.meta.url);
const stable = 5_000;

/** The lab's API server with our CRDs, inside this process: its work is not counted. */
export async function startApi(folder: string): Promise<ApiSite> {
  const ending = new AbortController();
  const api = await startApiServer(
    { host: '127.0.0.1', port: 0, clock: systemClock, logger: silentLogger },
    ending.signal,
  );
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, api.kubeconfig());
  const connection = await loadConnection({ file: kubeconfig, env: {} });
  const client = connectCluster(connection, { signal: ending.signal, userAgent: 'bench' });
  for (const crd of customResourceDefinitions) {
    await client.apply(crds, crd as unknown as RawObject, { fieldManager: 'bench', force: true });
  }
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'dev' } });
  const stop = async () => {
    ending.abort();
    await api.stop();
  };
  return { folder, kubeconfig, client, stop };
}

export const createServing = (client: KubeClient, dryRun: boolean): Promise<RawObject & ModelServing> => {
  const manifest = parse(readFileSync(new URL('config/samples/npu/modelserving.yaml', root), 'utf8')) as RawObject;
  return client.create(modelServings, manifest, { namespace: 'dev' }, { dryRun }) as Promise<RawObject & ModelServing>;
};

type Configuration = RawObject & {
  readonly webhooks: readonly { readonly clientConfig: { readonly caBundle: string } }[];
};

/** `tandem webhook` as a user starts it, with its metrics and its log, registered at the API server. */
export async function startOurWebhook({ kubeconfig, client }: ApiSite): Promise<WebhookContender> {
  const cli = new URL('../src/cli/main.js', import.meta.url).pathname;
  const args = [cli, 'webhook', '--kubeconfig', kubeconfig, '--url', 'https://127.0.0.1:0', '--listen', '127.0.0.1:0'];
  const child = pinned(0, measuredNode(), [...ownFlags, ...measuredFlags(), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [, port] = await line(child, /listening on https:\/\/127\.0\.0\.1:(\d+)/);
  const ca = await trusted(client);
  const stop = () => ended(child);
  return { name: 'tandem webhook', port: Number(port), ca, pid: child.pid ?? 0, stop };
}

/** Those of config/webhook/deployment.yaml. */
const ownFlags: readonly string[] = ['--max-semi-space-size=8', '--v8-pool-size=1'];

/** The CA that the webhook told the API server to trust. */
async function trusted(client: KubeClient): Promise<string> {
  const until = Date.now() + stable;
  while (Date.now() < until) {
    const { items } = await client.list<Configuration>(mutatingWebhooks);
    const bundle = items[0]?.webhooks[0]?.clientConfig.caBundle;
    if (bundle) return Buffer.from(bundle, 'base64').toString();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the webhook has not registered itself within ${stable} ms; run it by hand to see why`);
}

/** The Go webhook of admission-go/, built here; undefined without Go. */
export async function startGoWebhook({ folder }: ApiSite, drain: unknown): Promise<WebhookContender | undefined> {
  if (spawnSync('go', ['version']).error) return undefined;
  const place = join(folder, 'go');
  mkdirSync(place);
  const program = join(place, 'admission-go');
  const built = spawnSync('go', ['build', '-o', program, '.'], {
    cwd: new URL('bench/admission-go/', root),
    env: { ...process.env, CGO_ENABLED: '0' },
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`go build failed: ${built.stderr}`);
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 86_400_000 };
  const authority = await createAuthority('bench', validity);
  const serving = await issueServing(authority, { hosts: ['127.0.0.1'], validity });
  const files = { cert: serving.certificate, key: serving.key, drain: JSON.stringify(drain) };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(place, name), text);
  const args = Object.keys(files).map((name) => join(place, name));
  const child = pinned(0, program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [, port] = await line(child, /listening on https:\/\/127\.0\.0\.1:(\d+)/);
  const stop = () => ended(child);
  return { name: 'Go, generic maps', port: Number(port), ca: authority.certificate, pid: child.pid ?? 0, stop };
}

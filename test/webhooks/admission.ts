/** Admission in front of a real kube-apiserver with our CRDs, for tests that ask it with kubectl. */
import { readFile } from 'node:fs/promises';
import type { Test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { systemClock } from '../../src/base/clock.js';
import type { Running } from '../../src/base/running.js';
import type { KubeClient, RawObject } from '../../src/kube/client.js';
import { connectCluster } from '../../src/kube/http-client.js';
import { loadConnection } from '../../src/kube/kubeconfig.js';
import { crds } from '../../src/kube/resources.js';
import { loadProfiles } from '../../src/settings/profiles.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { startWebhook } from '../../webhooks/start.js';
import { locateControlPlane, missingControlPlane } from '../control-plane/locate.js';
import { type ControlPlane, startControlPlane } from '../control-plane/start.js';
import { type Output, run } from '../e2e/kubectl.js';

/** For a test that needs the binaries of the control plane. */
export const needsControlPlane = { skip: locateControlPlane() ? (false as const) : missingControlPlane };

export interface ApiServer {
  readonly plane: ControlPlane;
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  kubectl(args: string, input?: string, env?: NodeJS.ProcessEnv): Promise<Output>;
}

const crdFiles = ['modelservings.workload', 'modelservers.networking', 'modelroutes.networking'].map(
  (name) => `config/crd/${name}.serving.volcano.sh.yaml`,
);

/** An API server that serves our kinds and has the namespaces `default` and `dev`; nobody admits anything yet. */
export async function startApiServer(t: Test): Promise<ApiServer> {
  const abort = new AbortController();
  const plane = await startControlPlane({ signal: abort.signal });
  if (!plane) throw new Error(missingControlPlane);
  t.teardown(async () => {
    abort.abort();
    await plane.stop();
  });
  const kubectl: ApiServer['kubectl'] = (args, input, env = {}) =>
    run(plane.programs.kubectl ?? 'kubectl', args.split(' '), {
      env: { KUBECONFIG: plane.kubeconfig, HOME: plane.folder, ...env },
      ...(input !== undefined && { input }),
    });
  const connection = await loadConnection({ file: plane.kubeconfig, env: {} });
  const client = connectCluster(connection, { signal: abort.signal, userAgent: 'test' });
  for (const file of crdFiles) {
    const [document] = parseAllDocuments(await readFile(file, 'utf8'));
    await client.create(crds, document?.toJS() as RawObject);
  }
  await eventually(t, 'serving the CRDs', async () =>
    (await kubectl('get modelservings,modelservers,modelroutes -A')).code === 0 ? true : undefined,
  );
  await kubectl('create namespace dev');
  return { plane, client, signal: abort.signal, kubectl };
}

/** Our webhooks in front of it; resolves when the first object was expanded. */
export async function startAdmission(
  t: Test,
  api: ApiServer,
  more: Partial<Parameters<typeof startWebhook>[0]> = {},
): Promise<Running> {
  const webhook = await startWebhook(
    {
      client: api.client,
      listen: { host: '127.0.0.1', port: 0 },
      url: 'https://127.0.0.1:0',
      profiles: await loadProfiles(),
      logger: silentLogger,
      metrics: new Metrics(),
      clock: systemClock,
      ...more,
    },
    api.signal,
  );
  await webhook.ready;
  await untilExpanding(t, api);
  return webhook;
}

export const untilExpanding = (t: Test, { kubectl }: ApiServer): Promise<true | undefined> =>
  eventually(t, 'an expansion', async () =>
    (await kubectl(`apply --dry-run=server -o json -f ${sample('gpu/modelserving')}`)).stdout.includes(
      'tandem.dev/expanded',
    )
      ? true
      : undefined,
  );

export const sample = (name: string): string => `config/samples/${name}.yaml`;

/** Asks until there is an answer; fails the test after 20 s. */
export async function eventually<T>(t: Test, what: string, look: () => Promise<T | undefined>): Promise<T | undefined> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.fail(`${what} did not happen`);
  return undefined;
}

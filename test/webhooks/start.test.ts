/** The whole webhook process in front of the lab's API server: registration, certificates, misuse, stop. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { modelRoutes, modelServers, modelServings } from '../../src/api/resources.js';
import type { Clock } from '../../src/base/clock.js';
import { systemClock } from '../../src/base/clock.js';
import type { Running } from '../../src/base/running.js';
import { createAuthority, type Issued, issueServing } from '../../src/certs/authority.js';
import { defaultRotation, validityFrom } from '../../src/certs/rotate.js';
import type { KubeClient, RawObject } from '../../src/kube/client.js';
import { connectCluster } from '../../src/kube/http-client.js';
import { loadConnection } from '../../src/kube/kubeconfig.js';
import {
  crds,
  events,
  mutatingWebhooks,
  namespaces,
  pods,
  secrets,
  validatingWebhooks,
} from '../../src/kube/resources.js';
import { startApiServer } from '../../src/lab/apiserver/server.js';
import { loadProfiles } from '../../src/settings/profiles.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { startWebhook, type WebhookOptions } from '../../webhooks/start.js';

const profiles = await loadProfiles();
const loopback = { host: '127.0.0.1', port: 0 };
const service = { name: 'tandem-webhook', namespace: 'tandem-system' };
const day = 86_400_000;
const yaml = async (path: string) => parse(await readFile(path, 'utf8')) as RawObject;

interface Cluster {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  /** Where the Service leads; the last started replica. */
  backend: Running | undefined;
  start(options?: Partial<WebhookOptions>): Promise<Running>;
}

async function cluster(t: Test): Promise<Cluster> {
  const abort = new AbortController();
  const folder = await mkdtemp(join(tmpdir(), 'tandem-webhook-'));
  const running: Running[] = [];
  const made: { cluster?: Cluster } = {};
  const api = await startApiServer(
    { ...loopback, logger: silentLogger, clock: systemClock, resolveService: () => made.cluster?.backend?.address },
    abort.signal,
  );
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, api.kubeconfig());
  const connection = await loadConnection({ file: kubeconfig, env: {} });
  const client = connectCluster(connection, { signal: abort.signal, userAgent: 'test' });
  for (const kind of ['modelservings.workload', 'modelservers.networking', 'modelroutes.networking']) {
    await client.create(crds, await yaml(`config/crd/${kind}.serving.volcano.sh.yaml`));
  }
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tandem-system' } });
  t.teardown(async () => {
    for (const part of running) await part.stop();
    abort.abort();
    await api.stop();
    await rm(folder, { recursive: true });
  });
  const start = async (options: Partial<WebhookOptions> = {}) => {
    const webhook = await startWebhook(
      {
        client,
        listen: loopback,
        profiles,
        logger: silentLogger,
        metrics: new Metrics(),
        clock: systemClock,
        ...(options.url === undefined && { service }),
        ...options,
      },
      abort.signal,
    );
    running.push(webhook);
    if (made.cluster) made.cluster.backend = webhook;
    await webhook.ready;
    return webhook;
  };
  made.cluster = { client, signal: abort.signal, backend: undefined, start };
  return made.cluster;
}

const sample = await yaml('config/samples/gpu/modelserving.yaml');
const tryCreate = (client: KubeClient) =>
  client.create<RawObject & { metadata: { annotations?: Record<string, string> } }>(
    modelServings,
    sample,
    { namespace: 'default' },
    { dryRun: true },
  );

async function eventually(t: Test, what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  t.fail(what);
}

t.test('registered by its Service, it expands what is created', async (t) => {
  const { client, start } = await cluster(t);
  const metrics = new Metrics();
  await start({ metrics });
  const created = await tryCreate(client);
  t.match(created.metadata.annotations, { 'tandem.dev/profiles': /nixl,nvidia,vllm@/ });
  t.match(await metrics.render(), /^tandem_webhook_certificate_expiry_timestamp_seconds \d{10}/m);
});

t.test('a pod that is quicker than our watch still gets what its ModelServing says', async (t) => {
  const { client, start } = await cluster(t);
  await start();
  const spec = {
    template: {
      roles: [
        { name: 'prefill', entryTemplate: {} },
        { name: 'decode', entryTemplate: {} },
      ],
    },
  };
  const annotations = {
    'tandem.dev/expand': 'pods',
    'tandem.dev/model': 'Qwen/Qwen3-0.6B',
    'tandem.dev/engine': 'vllm',
    'tandem.dev/connector': 'nixl',
    'tandem.dev/accelerator': 'nvidia',
  };
  const { apiVersion, kind } = sample as { apiVersion: string; kind: string };
  const serving = { apiVersion, kind, metadata: { name: 'quick', namespace: 'default', annotations }, spec };
  await client.create<RawObject>(modelServings, serving, { namespace: 'default' });
  const labels = { 'modelserving.volcano.sh/name': 'quick', 'modelserving.volcano.sh/role': 'prefill' };
  const bare = { name: 'sidecar', image: 'nginx' };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'quick-0-prefill-0-0', namespace: 'default', labels },
    spec: { containers: [bare] },
  };
  const made = await client.create<RawObject & { spec: { containers: { name: string }[] } }>(pods, pod, {
    namespace: 'default',
  });
  t.match(made.metadata.labels, { 'tandem.dev/dialect': 'nixl-pull' });
  t.ok(
    made.spec.containers.some(({ name }) => name === 'vllm'),
    made.spec.containers.map(({ name }) => name).join(),
  );
});

t.test('what admission could not know is told by one Event when it can be known, whatever came first', async (t) => {
  const { client, start } = await cluster(t);
  await Promise.all([start({ settle: 20 }), start({ settle: 20 })]);
  const where = { namespace: 'default' };
  const server = await yaml('config/samples/gpu/modelserver.yaml');
  const route = await yaml('config/samples/gpu/modelroute.yaml');
  const about = async (kind: string) => {
    const { items } = await client.list<SaidEvent>(events, where);
    return items
      .filter(({ involvedObject }) => involvedObject.kind === kind)
      .map(({ reason, message }) => `${reason} ${message.slice(0, 7)}`)
      .sort();
  };
  await client.create(modelRoutes, route, where);
  await eventually(
    t,
    'the route has no target',
    async () => (await about('ModelRoute')).join() === 'CheckFailed TND-214',
  );
  const moved = { ...server, spec: { ...(server as unknown as { spec: object }).spec, workloadPort: { port: 9000 } } };
  await client.create(modelServers, moved, where);
  await eventually(t, 'the route has its target', async () =>
    (await about('ModelRoute')).includes('CheckPassed TND-214'),
  );
  await eventually(
    t,
    'the server has no pods',
    async () => (await about('ModelServer')).join() === 'CheckFailed TND-209',
  );
  await client.create(modelServings, sample, where);
  await eventually(t, 'the ports differ', async () => {
    const [onServer, onServing] = [await about('ModelServer'), await about('ModelServing')];
    return onServer.includes('CheckFailed TND-065') && onServing.includes('CheckFailed TND-065');
  });
  await client.patch(modelServings, { ...where, name: 'vllm-qwen-06b' }, 'merge', {
    metadata: { labels: { team: 'a' } },
  });
  const { metadata } = server as { metadata: { name: string } };
  await client.patch(modelServers, { ...where, name: metadata.name }, 'merge', {
    spec: { workloadPort: { port: 8000 } },
  });
  await eventually(t, 'they agree', async () => (await about('ModelServing')).includes('CheckPassed TND-065'));
  t.strictSame(
    await about('ModelServing'),
    ['CheckFailed TND-065', 'CheckPassed TND-065'],
    'two replicas and a label said nothing twice',
  );
});

interface SaidEvent extends RawObject {
  readonly involvedObject: { readonly kind: string };
  readonly reason: string;
  readonly message: string;
}

t.test('replicas share one CA in a Secret, and one that cannot be read is replaced', async (t) => {
  const { client, start } = await cluster(t);
  const [first] = await Promise.all([start(), start(), start()]);
  const held = await client.get<RawObject & { data: Record<string, string> }>(secrets, {
    namespace: service.namespace,
    name: 'tandem-webhook-ca',
  });
  t.equal(
    Buffer.from(held.data['ca.crt'] ?? '', 'base64')
      .toString()
      .split('BEGIN CERTIFICATE').length,
    2,
  );
  t.ok(first?.address);
  await tryCreate(client);
  await client.patch(secrets, { namespace: service.namespace, name: 'tandem-webhook-ca' }, 'merge', {
    data: { 'ca.crt': 'bm8=' },
  });
  await start();
  t.match((await tryCreate(client)).metadata.annotations, { 'tandem.dev/expanded': /vllm/ });
});

t.test('an edited or deleted configuration comes back', async (t) => {
  const { client, start } = await cluster(t);
  await start();
  const policy = async () => {
    const live = await client.get<RawObject & { webhooks: { failurePolicy: string }[] }>(mutatingWebhooks, {
      name: 'tandem',
    });
    return live.webhooks[0]?.failurePolicy;
  };
  await client.patch(mutatingWebhooks, { name: 'tandem' }, 'json', [
    { op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' },
  ]);
  await eventually(t, 'the edit is undone', async () => (await policy()) === 'Fail');
  await client.delete(validatingWebhooks, { name: 'tandem' });
  await eventually(t, 'it is written again', async () => (await client.list(validatingWebhooks)).items.length === 1);
});

t.test('no write fails while certificate and CA rotate', async (t) => {
  const { client, start } = await cluster(t);
  // TLS knows the real time only, so the 50 days that pass here end now and every certificate is valid all along.
  let now = Date.now() - 50 * day;
  const clock: Clock = { now: () => now };
  const rotation = { ...defaultRotation, authorityLifetime: 60 * day, servingLifetime: 55 * day };
  const webhook = await start({ clock, rotation, renewEvery: 5 });
  const seen = new Set<string>();
  const port = webhook.address?.port ?? 0;
  for (const step of [0, 37 * day, 4 * day, day / 24, day]) {
    now += step;
    for (let i = 0; i < 5; i++) {
      t.match((await tryCreate(client)).metadata.annotations, { 'tandem.dev/expanded': /vllm/ });
      seen.add(await servedBy(port));
    }
    if (step > day / 24) await eventually(t, 'a renewal', async () => seen.add(await servedBy(port)).size > 0);
  }
  await eventually(t, 'three certificates', async () => seen.add(await servedBy(port)).size >= 3);
});

/** Serial number of the certificate that a new connection sees. */
function servedBy(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/** A folder as a mounted Secret is: a certificate by its own CA, or by the one given. */
async function mount(folder: string, by?: Issued, trusted = ''): Promise<Issued> {
  const validity = validityFrom(Date.now(), day, defaultRotation);
  const ca = by ?? (await createAuthority('somebody', validity));
  const { certificate, key } = await issueServing(ca, {
    hosts: ['tandem-webhook.tandem-system.svc', '127.0.0.1'],
    validity,
  });
  await writeFile(join(folder, 'ca.crt'), ca.certificate + trusted);
  await writeFile(join(folder, 'tls.key'), key);
  await writeFile(join(folder, 'tls.crt'), certificate);
  return ca;
}

t.test('a mounted certificate is served, followed, and never replaced by one that cannot be used', async (t) => {
  const { client, start } = await cluster(t);
  const folder = t.testdir({});
  await t.rejects(start({ mounted: { folder } }), { code: 'certificate-unreadable', message: /mount a Secret with/ });
  const ca = await mount(folder);
  const metrics = new Metrics();
  const webhook = await start({ mounted: { folder }, metrics, renewEvery: 20 });
  const port = webhook.address?.port ?? 0;
  const first = await servedBy(port);
  t.match((await tryCreate(client)).metadata.annotations, { 'tandem.dev/expanded': /vllm/ });
  const left = /^tandem_webhook_certificate_expiry_seconds (\d+)/m.exec(await metrics.render())?.[1];
  t.ok(Number(left) > 86_000 && Number(left) <= 86_400, `${left} seconds are left`);
  await mount(folder, ca);
  await eventually(t, 'the renewed one is served', async () => (await servedBy(port)) !== first);
  const renewed = await servedBy(port);
  await writeFile(join(folder, 'tls.key'), 'nonsense');
  await tryCreate(client);
  t.equal(await servedBy(port), renewed, 'half a change changes nothing');
  await mount(folder, undefined, ca.certificate);
  await eventually(t, 'one of another CA', async () => {
    await tryCreate(client);
    return (await servedBy(port)) !== renewed;
  });
  t.match((await tryCreate(client)).metadata.annotations, { 'tandem.dev/expanded': /vllm/ });
  t.equal((await client.list(secrets, { namespace: service.namespace })).items.length, 0, 'no CA of our own was made');
});

t.test("cert-manager's injector owns the caBundle when it is asked to", async (t) => {
  const { client, start } = await cluster(t);
  const folder = t.testdir({});
  const ca = await mount(folder);
  await rm(join(folder, 'ca.crt'));
  await start({ mounted: { folder, injectCaFrom: 'tandem-system/tandem-webhook' }, renewEvery: 20 });
  const read = () =>
    client.get<RawObject & { webhooks: { clientConfig: { caBundle?: string } }[] }>(mutatingWebhooks, {
      name: 'tandem',
    });
  const before = await read();
  t.match(before.metadata.annotations, { 'cert-manager.io/inject-ca-from': 'tandem-system/tandem-webhook' });
  t.notOk(before.webhooks[0]?.clientConfig.caBundle);
  const caBundle = Buffer.from(ca.certificate).toString('base64');
  for (const resource of [mutatingWebhooks, validatingWebhooks]) {
    const live = await client.get<typeof before>(resource, { name: 'tandem' });
    const webhooks = live.webhooks.map((one) => ({ ...one, clientConfig: { ...one.clientConfig, caBundle } }));
    await client.update(resource, { ...live, webhooks } as RawObject);
  }
  await client.patch(mutatingWebhooks, { name: 'tandem' }, 'merge', {
    metadata: { annotations: { 'cert-manager.io/inject-ca-from': null } },
  });
  await eventually(
    t,
    'the annotation comes back',
    async () => (await read()).metadata.annotations?.['cert-manager.io/inject-ca-from'] !== undefined,
  );
  t.equal((await read()).webhooks[0]?.clientConfig.caBundle, caBundle, 'what the injector wrote stays');
  t.match((await tryCreate(client)).metadata.annotations, { 'tandem.dev/expanded': /vllm/ });
});

t.test('stopping answers what is on its way, takes nothing new, and closes everything', async (t) => {
  const { client, start } = await cluster(t);
  const webhook = await start();
  await tryCreate(client);
  const port = (webhook.address as AddressInfo | undefined)?.port ?? 0;
  const review = await readFile('test/fixtures/webhooks/review-modelservings--CREATE.json', 'utf8');
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await new Promise<void>((resolve) => socket.once('secureConnect', resolve));
  const head = `POST /mutate/modelservings HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(review)}\r\n\r\n`;
  await new Promise((resolve) => socket.write(head + review.slice(0, 1000), resolve));
  // The server must have seen the beginning: a second connection that is answered comes after it.
  await servedBy(port);
  let answer = '';
  const ended = new Promise<void>((resolve) =>
    socket.on('data', (chunk) => (answer += chunk)).on('close', () => resolve()),
  );
  const stopped = webhook.stop();
  socket.write(review.slice(1000));
  await Promise.all([ended, stopped]);
  t.match(answer, /^HTTP\/1\.1 200 .*"allowed":true/s);
  await t.rejects(servedBy(port), { code: 'ECONNREFUSED' });
  await t.rejects(
    tryCreate(client),
    /failed calling webhook "modelservings\.expand\.tandem\.dev"/,
    'and a user reads who is missing',
  );
  await webhook.stop();
});

t.test('what cannot be started says why and what to do, and leaves nothing open', async (t) => {
  const { start } = await cluster(t);
  const running = await start();
  const taken = { host: '127.0.0.1', port: running.address?.port ?? 0 };
  await t.rejects(start({ listen: taken }), { code: 'port-in-use', message: /choose another with --listen/ });
  for (const url of ['http://h:1', 'https://h:1/path', 'https://u:p@h', 'nonsense']) {
    await t.rejects(start({ url }), { code: 'bad-url', message: /write https:\/\/HOST:PORT/ }, url);
  }
});

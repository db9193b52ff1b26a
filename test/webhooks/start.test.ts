/** The process as a cluster sees it: registration, the first pods, stopping, and what cannot be started. */
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import t from 'tap';
import { modelServings } from '../../src/api/resources.js';
import type { RawObject } from '../../src/kube/client.js';
import { mutatingWebhooks, pods, validatingWebhooks } from '../../src/kube/resources.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { eventually, gpuServing, servedBy, startCluster, tryCreate } from './lab-cluster.js';

t.test('registered by its Service, it expands what is created', async (t) => {
  const { client, start } = await startCluster(t);
  const metrics = new Metrics();
  await start({ metrics });
  const created = await tryCreate(client);
  t.match(created.metadata.annotations, { 'tandem.dev/profiles': /nixl,nvidia,vllm@/ });
  t.match(await metrics.render(), /^tandem_webhook_certificate_expiry_timestamp_seconds \d{10}/m);
});

t.test('a pod that is quicker than our watch still gets what its ModelServing says', async (t) => {
  const { client, start } = await startCluster(t);
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
  const { apiVersion, kind } = gpuServing as { apiVersion: string; kind: string };
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

t.test('an edited or deleted configuration comes back', async (t) => {
  const { client, start } = await startCluster(t);
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

t.test('stopping answers what is on its way, takes nothing new, and closes everything', async (t) => {
  const { client, start } = await startCluster(t);
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
  const { start } = await startCluster(t);
  const running = await start();
  const taken = { host: '127.0.0.1', port: running.address?.port ?? 0 };
  await t.rejects(start({ listen: taken }), { code: 'port-in-use', message: /choose another with --listen/ });
  for (const url of ['http://h:1', 'https://h:1/path', 'https://u:p@h', 'nonsense']) {
    await t.rejects(start({ url }), { code: 'bad-url', message: /write https:\/\/HOST:PORT/ }, url);
  }
});

/** The certificates that the API server trusts: our own CA, rotation, a mounted Secret, cert-manager's injector. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { Clock } from '../../src/base/clock.js';
import { createAuthority, type Issued, issueServing } from '../../src/certs/authority.js';
import { defaultRotation, validityFrom } from '../../src/certs/rotate.js';
import type { RawObject } from '../../src/kube/client.js';
import { mutatingWebhooks, secrets, validatingWebhooks } from '../../src/kube/resources.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { eventually, servedBy, service, startCluster, tryCreate } from './lab-cluster.js';

const day = 86_400_000;

t.test('replicas share one CA in a Secret, and one that cannot be read is replaced', async (t) => {
  const { client, start } = await startCluster(t);
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

t.test('no write fails while certificate and CA rotate', async (t) => {
  const { client, start } = await startCluster(t);
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
  const { client, start } = await startCluster(t);
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
  const { client, start } = await startCluster(t);
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

import { X509Certificate } from 'node:crypto';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { authoritiesInMemory } from '../../src/certs/authorities.js';
import { createAuthority, issueServing, readIssued } from '../../src/certs/authority.js';
import { isEdited, type WebhookConfiguration, withCaBundle } from '../../src/certs/inject.js';
import { CredentialKeeper, type Credentials, every } from '../../src/certs/keeper.js';
import { defaultRotation, isDue, planAuthorities, validityFrom } from '../../src/certs/rotate.js';
import { silentLogger } from '../../src/telemetry/log.js';

const start = Date.UTC(2026, 10, 21);
const day = 86_400_000;
const hosts = ['localhost', '127.0.0.1'];

/** A clock that moves only when told. */
function settableClock() {
  let now = start;
  return { now: () => now, advance: (milliseconds: number) => (now += milliseconds) };
}

function keeperOn(store = authoritiesInMemory(), clock = settableClock()) {
  return { clock, store, keeper: new CredentialKeeper({ store, hosts, clock, logger: silentLogger }) };
}

t.test('a CA signs a certificate that names hosts and addresses', async (t) => {
  const validity = { notBefore: start, notAfter: start + day };
  const authority = await createAuthority('tandem', validity);
  const serving = await issueServing(authority, { hosts: ['a.b.svc', '10.0.0.1', '::1'], validity });
  const [ca, leaf] = [new X509Certificate(authority.certificate), new X509Certificate(serving.certificate)];
  t.ok(ca.ca && !leaf.ca);
  t.ok(leaf.checkIssued(ca) && leaf.verify(ca.publicKey));
  t.equal(leaf.checkHost('a.b.svc'), 'a.b.svc');
  t.equal(leaf.checkIP('10.0.0.1'), '10.0.0.1');
  t.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  t.match(await readIssued(serving.certificate, serving.key), { notBefore: start, notAfter: start + day });
  await t.rejects(readIssued(serving.certificate, 'no key'));
});

t.test('two CAs never share a name, so a bundle of both is unambiguous', async (t) => {
  const validity = { notBefore: start, notAfter: start + day };
  const [a, b] = await Promise.all([createAuthority('tandem', validity), createAuthority('tandem', validity)]);
  t.not(new X509Certificate(a.certificate).subject, new X509Certificate(b.certificate).subject);
});

t.test('what to do with the CAs at hand', async (t) => {
  const made = (age: number) => validityFrom(start - age, defaultRotation.authorityLifetime, defaultRotation);
  const plan = (...ages: number[]) => planAuthorities(ages.map(made), start, defaultRotation);
  t.strictSame(plan(), { trust: [], sign: undefined, create: true }, 'none: make one');
  t.strictSame(plan(0), { trust: [0], sign: 0, create: false }, 'the only one signs at once');
  t.strictSame(plan(250 * day), { trust: [0], sign: 0, create: true }, 'an ageing one gets a successor');
  t.strictSame(plan(250 * day, 0), { trust: [0, 1], sign: 0, create: false }, 'which is trusted before it signs');
  t.strictSame(
    plan(250 * day, day),
    { trust: [0, 1], sign: 1, create: false },
    'and signs once it is known everywhere',
  );
  t.strictSame(plan(366 * day, 116 * day), { trust: [1], sign: 1, create: false }, 'an expired one is forgotten');
});

t.test('whatever the ages, something that is trusted signs or something is made', async () => {
  const ages = fc.array(fc.integer({ min: -2 * day, max: 500 * day }), { maxLength: 5 });
  fc.assert(
    fc.property(ages, (list) => {
      const held = list
        .sort((a, b) => b - a)
        .map((age) => validityFrom(start - age, defaultRotation.authorityLifetime, defaultRotation));
      const { trust, sign, create } = planAuthorities(held, start, defaultRotation);
      if (sign === undefined) return create;
      return trust.includes(sign) && (held[sign]?.notBefore ?? 0) <= start && (held[sign]?.notAfter ?? 0) > start;
    }),
  );
});

t.test('a certificate never outlives the CA that signed it, and is renewed at two thirds of its life', async (t) => {
  const ca = { notBefore: start, notAfter: start + 10 * day };
  const leaf = validityFrom(start, 30 * day, defaultRotation, ca);
  t.strictSame(leaf, { notBefore: start, notAfter: start + 10 * day });
  t.notOk(isDue(leaf, start + 6 * day, defaultRotation));
  t.ok(isDue(leaf, start + 7 * day, defaultRotation));
});

t.test('replicas that start together end up with one CA', async (t) => {
  const store = authoritiesInMemory();
  const keepers = Array.from({ length: 5 }, () => keeperOn(store).keeper);
  const bundles = await Promise.all(keepers.map(async (keeper) => (await keeper.refresh()).credentials.bundle));
  const settled = await Promise.all(keepers.map(async (keeper) => (await keeper.refresh()).credentials.bundle));
  t.equal(new Set([...bundles, ...settled]).size, 1);
});

t.test('over years, each bundle verifies the certificate of this and of the last refresh', async (t) => {
  const { keeper, clock } = keeperOn();
  let last: Credentials | undefined;
  let changes = 0;
  for (let week = 0; week < 110; week++) {
    const { credentials, changed } = await keeper.refresh();
    if (changed) changes++;
    const serving = [credentials.serving, ...(last ? [last.serving] : [])];
    const roots = (credentials.bundle.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []).map(
      (pem) => new X509Certificate(pem),
    );
    for (const { certificate } of serving) {
      if (!roots.some((root) => new X509Certificate(certificate).verify(root.publicKey))) t.fail(`week ${week}`);
    }
    if (credentials.serving.notAfter <= clock.now()) t.fail(`expired in week ${week}`);
    last = credentials;
    clock.advance(7 * day);
  }
  t.ok(changes > 20, `${changes} changes`);
});

t.test('a stream of requests sees no failure while CA and certificate rotate', async (t) => {
  // TLS knows the real time only, so the keeper's 50 days end now and every certificate is valid all along.
  const clock = settableClock();
  clock.advance(Date.now() - start - 50 * day);
  const policy = { ...defaultRotation, authorityLifetime: 60 * day, servingLifetime: 55 * day };
  const keeper = new CredentialKeeper({ store: authoritiesInMemory(), hosts, clock, logger: silentLogger, policy });
  const { credentials } = await keeper.refresh();
  const tls = ({ serving }: Credentials) => ({ cert: serving.certificate, key: serving.key });
  const server = createServer(tls(credentials), (_, response) => response.end('ok'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const seen = new Set<string>();
  let known = credentials.bundle;
  // A new certificate; a new CA, trusted; the new CA signs.
  for (const step of [0, 37 * day, 4 * day, day / 24, day]) {
    clock.advance(step);
    const fresh = (await keeper.refresh()).credentials;
    server.setSecureContext(tls(fresh));
    // A caller knows the bundle of the refresh before, as an API server that has not read the configuration again.
    for (let i = 0; i < 10; i++) seen.add(await get(t, port, known));
    known = fresh.bundle;
  }
  t.equal(seen.size, 3, 'certificates served');
  t.not(known, credentials.bundle);
});

function get(t: Test, port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, ca, agent: false }, (response) => {
      const socket = response.socket as import('node:tls').TLSSocket;
      const serial = socket.getPeerCertificate().serialNumber;
      response.resume().on('end', () => resolve(serial));
    });
    call.on('error', (error) => {
      t.fail(error.message);
      reject(error);
    });
    call.end();
  });
}

t.test('the bundle is written into every webhook, and an edit of ours is seen', async (t) => {
  const configuration: WebhookConfiguration = {
    metadata: { name: 'tandem' },
    webhooks: [
      { name: 'a', clientConfig: { url: 'https://h/a' }, failurePolicy: 'Fail' },
      { name: 'b', clientConfig: { url: 'https://h/b' } },
    ],
  };
  const wanted = withCaBundle(configuration, 'PEM');
  t.match(wanted.webhooks, [
    { clientConfig: { caBundle: 'UEVN', url: 'https://h/a' } },
    { clientConfig: { caBundle: 'UEVN' } },
  ]);
  t.ok(isEdited(wanted, undefined), 'deleted');
  t.ok(isEdited(wanted, configuration), 'without bundle');
  t.notOk(
    isEdited(wanted, {
      ...wanted,
      webhooks: wanted.webhooks?.map((webhook) => ({ ...webhook, matchPolicy: 'Equivalent' })) ?? [],
    }),
    'defaults of the server',
  );
  t.ok(isEdited(wanted, { ...wanted, webhooks: [{ name: 'a', clientConfig: {} }] }), 'a webhook is gone');
});

t.test('work is repeated until the signal aborts, also after a failure', async (t) => {
  const abort = new AbortController();
  let runs = 0;
  await new Promise<void>((resolve) => {
    const work = async () => {
      runs++;
      if (runs === 1) throw new Error('once');
      if (runs === 3) resolve();
    };
    every(1, work, silentLogger, abort.signal);
  });
  abort.abort();
  t.ok(runs >= 3);
});

t.test('clocks that differ by less than an hour share CA and certificates', async (t) => {
  const store = authoritiesInMemory();
  const clocks = [-25, 0, 25].map((minutes) => {
    const clock = settableClock();
    clock.advance(minutes * 60_000);
    return clock;
  });
  const keepers = clocks.map((clock) => keeperOn(store, clock).keeper);
  const bundles = new Set<string>();
  for (const keeper of [...keepers].reverse()) bundles.add((await keeper.refresh()).credentials.bundle);
  for (const keeper of keepers) bundles.add((await keeper.refresh()).credentials.bundle);
  t.equal(bundles.size, 1, 'the one that is ahead makes the CA, the others use it');
  const [behind] = clocks;
  for (const { current } of keepers) {
    t.ok((current?.serving.notBefore ?? 0) <= (behind?.now() ?? 0) + 3_600_000, 'backdated');
    const ca = new X509Certificate(current?.bundle ?? '');
    t.ok(new X509Certificate(current?.serving.certificate ?? '').checkIssued(ca));
  }
  const validity = validityFrom(start, day, defaultRotation);
  t.equal(start - validity.notBefore, 3_600_000, 'an API server up to an hour behind accepts what was made now');
});

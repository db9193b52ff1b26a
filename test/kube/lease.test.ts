import t, { type Test } from 'tap';
import { type Lease, runAsLeader } from '../../src/kube/lease.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { json, rawApi, status } from './raw-api.js';

t.test('a lease', async (t) => {
  const open = async (t: Test) => {
    let stored: Lease | undefined;
    let version = 0;
    const api = await rawApi(t, (request, response) => {
      const body = request.body === '' ? undefined : (JSON.parse(request.body) as Lease);
      if (request.method === 'GET') {
        return stored === undefined
          ? json(response, 404, status(404, 'NotFound', 'none'))
          : json(response, 200, stored);
      }
      const stale = request.method === 'PUT' && body?.metadata.resourceVersion !== String(version);
      if (stale) return json(response, 409, status(409, 'Conflict', 'changed'));
      version += 1;
      stored = { ...body, metadata: { ...body?.metadata, resourceVersion: String(version) } } as Lease;
      json(response, 200, stored);
    });
    return { ...api, stored: () => stored };
  };
  const options = { namespace: 'n', name: 'l', logger: silentLogger, retrySeconds: 0.01 };

  t.test('has one holder at a time, and is given back when its work has ended', async (t) => {
    const { client, stored } = await open(t);
    const control = new AbortController();
    let leading = 0;
    const terms: string[] = [];
    const candidate = (identity: string, signal: AbortSignal) =>
      runAsLeader({ ...options, client, identity, signal }, async (until) => {
        leading += 1;
        t.equal(leading, 1, 'alone');
        terms.push(identity);
        t.equal(stored()?.spec?.holderIdentity, identity);
        if (terms.length === 2) control.abort();
        if (terms.length === 1) first.abort();
        if (!until.aborted) await new Promise((resolve) => until.addEventListener('abort', resolve));
        leading -= 1;
      });
    const first = new AbortController();
    await Promise.all([candidate('one', first.signal).then(() => candidate('two', control.signal))]);
    t.same(terms, ['one', 'two']);
    t.equal(stored()?.spec?.holderIdentity, '');
    t.equal(stored()?.spec?.leaseTransitions, 1);
  });

  t.test('that cannot be renewed stops the work before another may take it', async (t) => {
    const { client, answer, stored } = await open(t);
    const control = new AbortController();
    let now = 1_000_000;
    const clock = { now: () => now };
    await runAsLeader(
      { ...options, client, identity: 'one', signal: control.signal, clock, workSeconds: 10 },
      async (until) => {
        answer((_request, response) => json(response, 500, status(500, 'InternalError', 'etcd is away')));
        now += 10_001;
        await new Promise((resolve) => until.addEventListener('abort', resolve));
        control.abort();
      },
    );
    t.ok(now < Date.parse(stored()?.spec?.renewTime ?? '') + 15_000, 'the lease itself still holds');
  });

  t.test('of another that is not renewed is taken after its duration on our own clock', async (t) => {
    const { client, stored } = await open(t);
    const control = new AbortController();
    let now = 5_000_000;
    const theirs = { holderIdentity: 'dead', leaseDurationSeconds: 15, renewTime: '2099-01-01T00:00:00.000000Z' };
    await client.create<Lease>(
      { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease', namespaced: true },
      { metadata: { namespace: 'n', name: 'l' }, spec: theirs },
    );
    const clock = { now: () => (now += 1000) };
    await runAsLeader(
      { ...options, client, identity: 'one', signal: control.signal, clock, workSeconds: 1000 },
      async () => {
        t.equal(stored()?.spec?.holderIdentity, 'one');
        t.ok(now - 5_000_000 > 15_000);
        control.abort();
      },
    );
  });
});

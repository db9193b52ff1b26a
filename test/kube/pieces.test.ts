/** The smaller pieces: work queue, back-off, lease, Events, kubeconfig, object file. */
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { exponential, fullJitter } from '../../src/kube/backoff.js';
import type { RawObject } from '../../src/kube/client.js';
import { createEventRecorder } from '../../src/kube/event-recorder.js';
import { openObjectFile } from '../../src/kube/file-store.js';
import { loadConnection } from '../../src/kube/kubeconfig.js';
import { type Lease, runAsLeader } from '../../src/kube/lease.js';
import { configMaps, nodes, pods } from '../../src/kube/resources.js';
import { WorkQueue } from '../../src/kube/work-queue.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { json, rawApi, status } from './raw-api.js';

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tandem-kube-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

t.test('back-off grows, is capped, and full jitter stays below', async (t) => {
  const grow = exponential({ base: 10, cap: 100 });
  t.same([0, 1, 2, 3, 4, 99].map(grow), [10, 20, 40, 80, 100, 100]);
  const jitter = fullJitter({ base: 10, cap: 100 }, () => 0.5);
  t.same([0, 1, 9].map(jitter), [5, 10, 50]);
});

t.test('a work queue', async (t) => {
  const open = (work: (key: string) => Promise<{ again?: number } | undefined>, workers = 4) => {
    const control = new AbortController();
    t.teardown(() => control.abort());
    return new WorkQueue({ work, workers, signal: control.signal, logger: silentLogger, backoff: () => 1 });
  };

  t.test('works once on a key that was added often, and again when it was added meanwhile', async (t) => {
    const rounds: string[] = [];
    let release: () => void = () => undefined;
    const queue = open(async (key) => {
      rounds.push(key);
      if (rounds.length === 1) await new Promise<void>((resolve) => (release = resolve));
      return undefined;
    });
    for (let n = 0; n < 5; n++) queue.add('a');
    await new Promise(setImmediate);
    t.same(rounds, ['a']);
    queue.add('a');
    queue.add('a');
    release();
    await queue.idle();
    t.same(rounds, ['a', 'a']);
  });

  t.test('never works twice at once on one key, nor on more keys than it has workers', async (t) => {
    const active = new Set<string>();
    let most = 0;
    const queue = open(async (key) => {
      t.notOk(active.has(key));
      active.add(key);
      most = Math.max(most, active.size);
      await new Promise(setImmediate);
      active.delete(key);
      return undefined;
    }, 3);
    for (let n = 0; n < 40; n++) queue.add(`k${n % 10}`);
    await queue.idle();
    t.equal(most, 3);
  });

  t.test('repeats what failed, and what asked for another round', async (t) => {
    const rounds: string[] = [];
    const done = new Promise<void>((resolve) => {
      const queue = open(async () => {
        rounds.push('round');
        if (rounds.length < 3) throw new Error('not yet');
        if (rounds.length === 3) return { again: 1 };
        resolve();
        return undefined;
      });
      queue.add('a');
    });
    await done;
    t.equal(rounds.length, 4);
  });

  t.test('that is stopped waits for running work and starts none', async (t) => {
    let ended = false;
    const rounds: string[] = [];
    const queue = open(async (key) => {
      rounds.push(key);
      await new Promise(setImmediate);
      ended = true;
      return undefined;
    }, 1);
    queue.add('a');
    queue.add('b');
    queue.addAfter('c', 1);
    await new Promise(process.nextTick);
    await queue.stop();
    t.ok(ended);
    queue.add('d');
    t.same(rounds, ['a']);
  });
});

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

t.test('Events', async (t) => {
  const writes: { method: string; body: Record<string, unknown> }[] = [];
  const { client, answer } = await rawApi(t, (request, response) => {
    writes.push({ method: request.method ?? '', body: JSON.parse(request.body) });
    json(response, 201, {});
  });
  let now = 1_000_000;
  const recorder = createEventRecorder({ client, component: 'c', logger: silentLogger, clock: { now: () => now } });
  const about = { apiVersion: 'v1', kind: 'Pod', namespace: 'n', name: 'p', uid: 'u' };
  const refused = { type: 'Warning', reason: 'FailedCreate', message: 'no' } as const;
  for (let n = 0; n < 5; n++) recorder.record(about, refused);
  await recorder.flush();
  t.equal(writes.length, 1, 'equal ones close together are one write');
  t.match(writes[0]?.body, {
    involvedObject: about,
    type: 'Warning',
    reason: 'FailedCreate',
    count: 1,
    source: { component: 'c' },
  });
  now += 6_000;
  recorder.record(about, refused);
  recorder.record(about, { ...refused, message: 'x'.repeat(3000) });
  await recorder.flush();
  t.match(writes[1], { method: 'PATCH', body: { count: 6 } }, 'a later one raises the count');
  t.equal(String(writes[2]?.body['message']).length, 1024);
  answer((_request, response) => json(response, 403, status(403, 'Forbidden', 'no')));
  recorder.record(about, { ...refused, message: 'other' });
  await recorder.flush();
  t.pass('an Event that cannot be written is no failure');
});

t.test('how a cluster is found', async (t) => {
  const config = (server: string, user: object = { token: 'abc' }) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [{ name: 'k', cluster: { server, 'certificate-authority': 'ca.pem' } }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u', namespace: 'mine' } }],
    });
  const path = await folder(t);
  await writeFile(join(path, 'ca.pem'), 'CA');
  await writeFile(join(path, 'one'), config('https://one.example:6443/'));
  await writeFile(join(path, 'two'), config('https://two.example'));

  t.test('a named file wins over KUBECONFIG; paths in it are relative to it', async (t) => {
    const connection = await loadConnection({ file: join(path, 'one'), env: { KUBECONFIG: join(path, 'two') } });
    t.match(connection, { server: 'https://one.example:6443', ca: 'CA', namespace: 'mine', insecure: false });
    t.same(await connection.headers(), { authorization: 'Bearer abc' });
    t.equal(
      (await loadConnection({ env: { KUBECONFIG: `${join(path, 'two')}:${join(path, 'one')}` } })).server,
      'https://two.example',
    );
  });

  t.test('a file that is read without the library says what the library says', async (t) => {
    const text = (value: string) => Buffer.from(value).toString('base64');
    const users: Readonly<Record<string, object>> = {
      'a token': { token: 'abc' },
      'a certificate in place': { 'client-certificate-data': text('CERT'), 'client-key-data': text('KEY') },
      'a certificate in files': { 'client-certificate': 'ca.pem', 'client-key': 'ca.pem' },
      nothing: {},
      'a password, which only the library knows': { username: 'u', password: 'p' },
    };
    for (const [title, user] of Object.entries(users)) {
      const file = join(path, 'plain');
      await writeFile(file, config('https://one.example:6443/', user));
      const alone = await loadConnection({ file, env: {} });
      const merged = await loadConnection({ env: { KUBECONFIG: `${file}:${file}` } });
      t.same({ ...alone, source: '', headers: 0 }, { ...merged, source: '', headers: 0 }, title);
      t.same(await alone.headers(), await merged.headers(), title);
    }
  });

  t.test('~/.kube/config is the last resort', async (t) => {
    await mkdir(join(path, '.kube'), { recursive: true });
    await writeFile(join(path, '.kube', 'config'), config('https://home.example').replace('ca.pem', '../ca.pem'));
    t.equal((await loadConnection({ env: { HOME: path } })).server, 'https://home.example');
  });

  t.test('a mounted service account is read without a kubeconfig', async (t) => {
    const serviceAccount = await folder(t);
    for (const [name, text] of [
      ['token', 'tok\n'],
      ['ca.crt', 'CA'],
      ['namespace', 'ns'],
    ] as const) {
      await writeFile(join(serviceAccount, name), text);
    }
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443', HOME: path };
    const connection = await loadConnection({ env, serviceAccount });
    t.match(connection, { server: 'https://[fd00::1]:443', ca: 'CA', namespace: 'ns' });
    t.same(await connection.headers(), { authorization: 'Bearer tok' });
  });

  t.test('what is wrong is said, with the fix', async (t) => {
    const nowhere = { env: { HOME: join(path, 'none') }, serviceAccount: join(path, 'none') };
    await t.rejects(loadConnection(nowhere), { code: 'no-kubeconfig', message: /--kubeconfig FILE or KUBECONFIG$/ });
    await t.rejects(loadConnection({ file: join(path, 'absent'), env: {} }), {
      code: 'no-kubeconfig',
      message: /absent/,
    });
    const bad: [string, string, RegExp][] = [
      ['broken YAML', 'a: [', /cannot be used/],
      ['no context', '{"apiVersion":"v1","kind":"Config"}', /names no cluster/],
      ['no URL', config('not a url'), /is not a URL/],
      ['a missing CA file', config('https://x').replace('ca.pem', 'gone.pem'), /gone\.pem/],
      [
        'a missing exec plugin',
        config('https://x', {
          exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'no-such-plugin', interactiveMode: 'Never' },
        }),
        /no-such-plugin/,
      ],
    ];
    for (const [title, text, message] of bad) {
      await writeFile(join(path, 'bad'), text);
      await t.rejects(loadConnection({ file: join(path, 'bad'), env: {} }), { code: 'bad-kubeconfig', message }, title);
    }
  });
});

t.test('objects from a file', async (t) => {
  const text = (image: string) => `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {image: ${image}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: n1}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: x}}
---
`;
  const open = async (t: Test, path: string) => {
    const control = new AbortController();
    t.teardown(() => control.abort());
    const errors: string[] = [];
    const logger = Object.assign(Object.create(silentLogger), {
      error: (_fields: object, message: string) => errors.push(message),
    });
    return { errors, file: await openObjectFile(path, { signal: control.signal, logger, pollEvery: 10 }) };
  };

  t.test('are found by kind; a namespaced one without namespace is in default', async (t) => {
    const path = join(await folder(t), 'objects.yaml');
    await writeFile(path, text('one'));
    const { file } = await open(t, path);
    t.ok(file.store(pods).get('default', 'a'));
    t.ok(file.store(nodes).get(undefined, 'n1'));
    t.ok(file.store(configMaps).get('x', 'c'));
    t.equal(file.store(pods), file.store(pods));
    await file.store(pods).synced;
  });

  t.test('follow the file, also when a link above it is turned as mounted ConfigMaps are', async (t) => {
    const path = await folder(t);
    for (const [name, image] of [
      ['v1', 'one'],
      ['v2', 'two'],
    ] as const) {
      await mkdir(join(path, name));
      await writeFile(join(path, name, 'objects.yaml'), text(image));
    }
    await symlink('v1', join(path, '..data'));
    await symlink('..data/objects.yaml', join(path, 'objects.yaml'));
    const { file } = await open(t, join(path, 'objects.yaml'));
    const store = file.store<RawObject & { spec?: { image: string } }>(pods);
    const changed = new Promise<void>((resolve) => store.subscribe(({ type }) => type === 'updated' && resolve()));
    await symlink('v2', join(path, '..next'));
    await rename(join(path, '..next'), join(path, '..data'));
    await changed;
    t.equal(store.get('default', 'a')?.spec?.image, 'two');
  });

  t.test('keep the last good content when the file becomes bad, and say where', async (t) => {
    const path = join(await folder(t), 'objects.yaml');
    await writeFile(path, text('one'));
    const { file } = await open(t, path);
    const store = file.store(pods);
    await writeFile(path, 'apiVersion: v1\nkind: Pod\nmetadata: {name: [}\n');
    await t.rejects(file.reread(), { code: 'objects-invalid', message: /objects\.yaml:3:\d+: .*correct the file/ });
    await unlink(path);
    await t.rejects(file.reread(), { code: 'objects-unreadable' });
    t.equal(store.list().length, 1);
    const gone = new Promise<void>((resolve) => store.subscribe(({ type }) => type === 'deleted' && resolve()));
    await writeFile(path, '');
    await gone;
  });

  t.test('that are bad at first are refused', async (t) => {
    const path = join(await folder(t), 'objects.yaml');
    await t.rejects(open(t, path), { code: 'objects-unreadable' });
    const bad: [string, RegExp][] = [
      ['just text', /:1:1: a document is not a Kubernetes object/],
      ['kind: Pod', /apiVersion is missing/],
      ['apiVersion: v1', /kind is missing/],
      ['{apiVersion: v1, kind: Pod, metadata: {}}', /metadata\.name is missing/],
    ];
    for (const [content, message] of bad) {
      await writeFile(path, content);
      await t.rejects(open(t, path), { code: 'objects-invalid', message }, content);
    }
  });
});

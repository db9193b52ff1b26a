import t, { type Test } from 'tap';
import type { RawObject } from '../../src/kube/client.js';
import { connectCluster } from '../../src/kube/http-client.js';
import { type Reflector, type ReflectorOptions, startReflector } from '../../src/kube/reflector.js';
import { pods } from '../../src/kube/resources.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { event, isWatch, json, list, pod, type RawApi, rawApi, type Script, status } from './raw-api.js';

interface Watched extends RawApi {
  readonly store: Reflector<RawObject>;
  readonly changes: string[];
  /** Resolves once the store has told that many changes. */
  told(count: number): Promise<void>;
}

async function watched(t: Test, script: Script, options: Partial<ReflectorOptions<RawObject>> = {}): Promise<Watched> {
  const api = await rawApi(t, script);
  const control = new AbortController();
  const store = startReflector(api.client, pods, {
    namespace: 'default',
    signal: control.signal,
    logger: silentLogger,
    backoff: () => 1,
    ...options,
  });
  t.teardown(async () => {
    control.abort();
    await store.stopped;
  });
  const changes: string[] = [];
  let waiting: { count: number; resolve: () => void } | undefined;
  store.subscribe(({ type, object }) => {
    changes.push(`${type} ${object.metadata.name} ${object.metadata.resourceVersion}`);
    if (waiting && changes.length >= waiting.count) waiting.resolve();
  });
  const told = (count: number) =>
    new Promise<void>((resolve) => {
      waiting = { count, resolve };
      if (changes.length >= count) resolve();
    });
  return { ...api, store, changes, told };
}

t.test('a list of several pages and a watch that goes on from it', async (t) => {
  const { store, changes, told, seen } = await watched(t, (request, response) => {
    if (isWatch(request)) {
      response.write(event('MODIFIED', pod('a', 12)));
      response.write(event('BOOKMARK', { metadata: { resourceVersion: '20' } }));
      response.write(event('DELETED', pod('b', 21)));
      return; // stays open
    }
    const second = request.url?.includes('continue=more');
    json(response, 200, second ? list(10, [pod('b', 2)]) : list(10, [pod('a', 1)], 'more'));
  });
  await store.synced;
  await told(4);
  t.same(changes, ['added a 1', 'added b 2', 'updated a 12', 'deleted b 21']);
  t.match(
    seen[2],
    /^GET \/prefix\/api\/v1\/namespaces\/default\/pods\?.*allowWatchBookmarks=true&resourceVersion=10&timeoutSeconds=\d+/,
  );
  t.equal(store.lists, 1);
  t.ok(store.lastActivity);
});

t.test('lines in any pieces, and several events in one piece', async (t) => {
  const { changes, told } = await watched(t, (request, response) => {
    if (!isWatch(request)) return json(response, 200, list(1, []));
    const bytes = Buffer.from(event('ADDED', pod('ä', 2)) + event('ADDED', pod('b', 3)));
    for (const byte of bytes) response.write(Buffer.from([byte]));
    response.write(bytes.subarray(0, 0));
  });
  await told(2);
  t.same(changes, ['added ä 2', 'added b 3']);
});

const breaks: Record<string, Script> = {
  'a reset connection': (_request, response) => response.destroy(),
  'the end in the middle of a line': (_request, response) => response.end(event('ADDED', pod('x', 9)).slice(0, 40)),
  'a line that is no JSON': (_request, response) => response.end('<html>proxy</html>\n'),
  'an event without metadata': (_request, response) => response.end('{"type":"ADDED","object":{}}\n'),
  'an answer 500': (_request, response) => json(response, 500, status(500, 'InternalError', 'etcd is away')),
  'a clean end at once': (_request, response) => response.end(),
};
for (const [title, broken] of Object.entries(breaks)) {
  t.test(`after ${title} the watch goes on from the last version, without another list`, async (t) => {
    let watches = 0;
    const { store, changes, told, seen } = await watched(t, (request, response, nth) => {
      if (!isWatch(request)) return json(response, 200, list(5, [pod('a', 1)]));
      watches += 1;
      if (watches < 6) return broken(request, response, nth);
      response.write(event('ADDED', pod('b', 7)));
    });
    await told(2);
    t.same(changes, ['added a 1', 'added b 7']);
    t.equal(store.lists, 1);
    t.match(seen.at(-1), /resourceVersion=5&/);
  });
}

t.test('a version that is too old', async (t) => {
  const gone = status(410, 'Expired', 'too old resource version');
  for (const how of ['as an answer', 'as an event'] as const) {
    t.test(`${how}: everything is listed again, and what was missed is told`, async (t) => {
      let lists = 0;
      const { store, changes, told } = await watched(t, (request, response) => {
        if (!isWatch(request)) {
          lists += 1;
          const items =
            lists === 1 ? [pod('a', 1), pod('b', 1), pod('same', 1)] : [pod('a', 1, 'another'), pod('same', 1)];
          return json(response, 200, list(lists * 10, items));
        }
        if (lists > 1) return void response.write(event('ADDED', pod('c', 30)));
        if (how === 'as an answer') return json(response, 410, gone);
        response.write(event('ERROR', gone));
      });
      await told(7);
      t.same(
        changes.slice(3),
        ['deleted b 1', 'deleted a 1', 'added a 1', 'added c 30'],
        'another uid is another object',
      );
      t.equal(store.get('default', 'a')?.metadata.uid, 'another');
      t.equal(store.lists, 2);
    });
  }
});

t.test('a continue token that expires between pages leads to one request for all', async (t) => {
  const { store } = await watched(t, (request, response) => {
    if (isWatch(request)) return;
    if (request.url?.includes('continue=')) return json(response, 410, status(410, 'Expired', 'continue'));
    const all = !request.url?.includes('limit=');
    json(response, 200, all ? list(3, [pod('a', 1), pod('b', 1)]) : list(3, [pod('a', 1)], 'next'));
  });
  await store.synced;
  t.equal(store.list().length, 2);
});

t.test('a first list that fails is repeated until it succeeds', async (t) => {
  let lists = 0;
  const { store } = await watched(t, (request, response) => {
    if (isWatch(request)) return;
    lists += 1;
    if (lists < 8)
      return lists % 2 === 0 ? void response.destroy() : json(response, 403, status(403, 'Forbidden', 'no'));
    json(response, 200, list(1, [pod('a', 1)]));
  });
  t.equal(store.hasSynced, false);
  await store.synced;
  t.equal(store.list().length, 1);
});

t.test('a watch that falls silent is given up and opened again', async (t) => {
  let watches = 0;
  const { told, changes } = await watched(
    t,
    (request, response) => {
      if (!isWatch(request)) return json(response, 200, list(1, []));
      watches += 1;
      response.writeHead(200);
      response.flushHeaders();
      if (watches > 1) response.write(event('ADDED', pod('late', 2)));
    },
    { idleMilliseconds: 30 },
  );
  await told(1);
  t.same(changes, ['added late 2']);
});

t.test('a listener that throws harms neither the others nor the store', async (t) => {
  const errors: unknown[] = [];
  const logger = Object.assign(Object.create(silentLogger), { error: (...entry: unknown[]) => errors.push(entry) });
  const { store, told } = await watched(
    t,
    (request, response) => {
      if (!isWatch(request)) return json(response, 200, list(1, []));
      response.write(event('ADDED', pod('a', 2)) + event('ADDED', pod('b', 3)));
    },
    { logger },
  );
  store.subscribe(() => {
    throw new Error('a bug elsewhere');
  });
  await told(2);
  await Promise.resolve();
  t.equal(store.list().length, 2);
  t.match(errors[0], [{ error: 'a bug elsewhere' }]);
});

t.test('only projected fields are kept', async (t) => {
  const { store } = await watched(
    t,
    (request, response) => {
      if (!isWatch(request)) json(response, 200, list(1, [{ ...pod('a', 1), spec: { large: true } } as RawObject]));
    },
    { project: ({ metadata }) => ({ metadata }) },
  );
  await store.synced;
  t.same(Object.keys(store.list()[0] ?? {}), ['metadata']);
});

t.test('abort before the first list ends everything', async (t) => {
  const api = await rawApi(t, () => undefined);
  const control = new AbortController();
  const store = startReflector(api.client, pods, { signal: control.signal, logger: silentLogger });
  control.abort(new Error('enough'));
  await t.rejects(store.synced, { message: 'enough' });
});

t.test('a client that is stopped ends the watch, whose own signal nobody gave', async (t) => {
  const { connection } = await rawApi(t, (request, response) => {
    if (isWatch(request)) response.write(event('BOOKMARK', { metadata: { resourceVersion: '2' } }));
    else json(response, 200, list(1, [pod('a', 1)]));
  });
  const stop = new AbortController();
  const client = connectCluster(connection, { signal: stop.signal, userAgent: 'test' });
  const signal = new AbortController().signal;
  const said: unknown[] = [];
  const logger = Object.assign(Object.create(silentLogger) as typeof silentLogger, {
    warn: (...line: unknown[]) => said.push(line),
  });
  const store = startReflector(client, pods, { signal, logger, backoff: () => 1 });
  await store.synced;
  stop.abort();
  await store.stopped;
  t.strictSame(said, [], 'which is no fault to warn of');
  t.strictSame(
    store.list().map(({ metadata }) => metadata.name),
    ['a'],
  );
  const late = startReflector(client, pods, { signal, logger, backoff: () => 1 });
  await t.rejects(late.synced, { code: 'client-closed' });
  await late.stopped;
});

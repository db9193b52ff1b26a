/** `tandem router --workers N`: several processes that pair as one. */
import { existsSync } from 'node:fs';
import t, { type Test } from 'tap';
import { objectsFile, type RouterProcess, startRouterProcess } from './router-process.js';
import {
  answer,
  type Client,
  connectClient,
  event,
  lastChunk,
  post,
  prefilled,
  type ScriptedEngine,
  scriptedEngine,
  sseHead,
  subnet,
  token,
} from './support.js';

const ip = subnet('workers');
const ask = { model: 'tiny', stream: true, messages: [{ role: 'user', content: 'Hello' }] };
let nextHost = 1;

interface Crew {
  readonly router: RouterProcess;
  readonly decodes: readonly ScriptedEngine[];
}

/** Two pairs of engines behind a router of two processes. Streams begin, and end when a test says so. */
async function crew(t: Test, ...args: readonly string[]): Promise<Crew> {
  const host = nextHost;
  nextHost += 4;
  const prefill = await scriptedEngine(t, ip(host), 0, ({ socket }) => void socket.write(answer(200, prefilled())));
  const { port } = prefill;
  await scriptedEngine(t, ip(host + 1), port, ({ socket }) => void socket.write(answer(200, prefilled())));
  const decodes = [];
  for (const at of [host + 2, host + 3]) {
    decodes.push(
      await scriptedEngine(t, ip(at), port, ({ socket }) => void socket.write(sseHead + event(token('begun')))),
    );
  }
  const pods = [0, 1, 2, 3].map((i) => ({
    name: `${i < 2 ? 'p' : 'd'}${i % 2}`,
    ip: ip(host + i),
    role: i < 2 ? 'prefill' : 'decode',
  }));
  const router = await startRouterProcess(t, ['--workers', '2', '--objects', objectsFile(t, pods, port), ...args]);
  await router.untilMetric(async () => (await router.probe('/readyz')).status === 200);
  return { router, decodes };
}

const stream = async (router: RouterProcess, id = 'x'): Promise<Client> => {
  const client = connectClient(router.port, post(ask, `x-request-id: ${id}\r\n`));
  await client.received('begun');
  return client;
};

const finishAll = (decodes: readonly ScriptedEngine[]): void => {
  for (const { requests } of decodes) {
    for (const { socket } of requests) {
      if (!socket.destroyed) socket.write(event(token('over', 'stop')) + event('[DONE]') + lastChunk);
    }
  }
};

/** Every worker knows of so many places in all, its own and the others'. */
const seenByAll = async ({ metric }: RouterProcess, places: number): Promise<boolean> => {
  const [first, second] = await Promise.all(
    ['0', '1'].map((worker) => metric('tandem_router_places', `worker="${worker}"`)),
  );
  return first === places && second === places;
};

const counted = (router: RouterProcess): Promise<number> =>
  router.metric('tandem_router_requests_total', 'model="tiny"', 'status="200"');

t.test('two workers', async (t) => {
  const { router, decodes } = await crew(t);

  await t.test('pair as one router', async (t) => {
    const clients: Client[] = [];
    for (let open = 1; open <= 6; open += 1) {
      clients.push(await stream(router));
      await router.untilMetric(() => seenByAll(router, open));
    }
    t.equal(await router.metric('tandem_router_requests_in_flight', 'worker="0"'), 3, 'connections come in turn');
    t.equal(await router.metric('tandem_router_requests_in_flight', 'worker="1"'), 3);
    t.same(
      decodes.map(({ requests }) => requests.length),
      [3, 3],
      'each pair is chosen in the light of what the other worker has given out',
    );
    finishAll(decodes);
    await Promise.all(clients.map((client) => client.received('[DONE]')));
    await router.untilMetric(() => seenByAll(router, 0));
    t.equal(await counted(router), 6, 'counters are summed');
    const whole = await (await fetch(`http://127.0.0.1:${router.port}/metrics`)).text();
    t.match(whole, /tandem_router_requests_total\{model="tiny",status="200"\} 6\n/, 'also on the port of clients');
    t.match(await router.probe('/healthz'), { status: 200, text: 'ok\n' });
  });

  await t.test('one of which is killed, lose the streams of that one, and it is replaced', async (t) => {
    const clients = [await stream(router), await stream(router)];
    await router.untilMetric(() => seenByAll(router, 2));
    const [victim = 0, survivor = 0] = router.workers();
    process.kill(victim, 'SIGKILL');
    const cut = await Promise.race(clients.map((client) => client.ended.then(() => client)));
    await router.untilMetric(async () => (await router.metric('tandem_router_worker_restarts_total')) === 1);
    await router.untilMetric(() => seenByAll(router, 1));
    t.notMatch(cut.text(), 'DONE');
    t.ok(router.workers().includes(survivor));
    t.notOk(router.workers().includes(victim));
    t.equal(await router.metric('tandem_router_workers'), 2);
    t.equal(await counted(router), 6, 'what it had counted stays in the sums');
    const after = [await stream(router), await stream(router)];
    const open = ['0', '1'].map((worker) => router.metric('tandem_router_requests_in_flight', `worker="${worker}"`));
    t.same((await Promise.all(open)).sort(), [1, 2], 'the replacement serves');
    finishAll(decodes);
    const others = clients.filter((client) => client !== cut);
    await Promise.all([...others, ...after].map((client) => client.received('[DONE]')));
    t.pass('the other stream went on to its end');
  });

  await t.test('let streams end after SIGTERM, then leave no process behind', async (t) => {
    const clients = [await stream(router, 'one'), await stream(router, 'two')];
    const pids = router.workers();
    router.child.kill('SIGTERM');
    await router.untilMetric(async () => (await router.probe('/readyz')).status === 503);
    for (const client of clients) t.notMatch(client.text(), 'over');
    finishAll(decodes);
    await Promise.all(clients.map((client) => client.received('[DONE]')));
    t.equal(await router.exited, 0);
    for (const pid of pids) t.notOk(existsSync(`/proc/${pid}`), `worker ${pid} is gone`);
    const lines = router.stderr().trim().split('\n');
    const ids = lines.map((line) => (JSON.parse(line) as { id?: string }).id);
    t.same(ids.filter((id) => id === 'one' || id === 'two').sort(), ['one', 'two'], 'both wrote their access lines');
  });
});

t.test('what keeps a worker from starting ends the router and is said once', async (t) => {
  await t.rejects(
    startRouterProcess(t, ['--workers', '2', '--objects', '/nonexistent/objects.yaml']),
    /the router ended: 1\nerror objects-unreadable: .*\nerror worker-not-started: .*\n$/,
  );
});

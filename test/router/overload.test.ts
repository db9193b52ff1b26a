/** What finds no room is told so at once, with a time to come back, and before it takes memory. */
import t, { type Test } from 'tap';
import type { Limits } from '../../router/limits.js';
import { labels } from '../../src/api/names.js';
import { routerLab, serverOf } from './lab.js';
import { answer, type Client, completion, connectClient, post, scriptedEngine, subnet, until } from './support.js';

const ip = subnet('overload')(1);
const ask = { model: 'tiny', messages: [{ role: 'user', content: 'Hello' }] };
const busy = /^HTTP\/1\.1 503 [\s\S]*retry-after: 1\r\n[\s\S]*"code":"overloaded"/;

async function scene(t: Test, limits: Partial<Limits>) {
  const engine = await scriptedEngine(t, ip, 0, () => undefined);
  const server = serverOf(engine.port, { workloadSelector: { matchLabels: { [labels.name]: 'm' } } });
  const lab = await routerLab(t, { pods: [{ name: 'w0', ip }], server, limits });
  const open = (bytes: string): Client => {
    const client = connectClient(lab.port, bytes);
    t.teardown(() => client.leave());
    return client;
  };
  const answerAll = () => {
    for (const { socket } of engine.requests) socket.write(answer(200, completion('hello')));
  };
  return { engine, lab, open, answerAll };
}

t.test('requests in flight', async (t) => {
  const { engine, open, answerAll } = await scene(t, { requestsInFlight: 2 });
  const taken = [open(post(ask)), open(post(ask))];
  await engine.arrived(1);
  const size = 50_000_000;
  const refused = open(`POST /v1/completions HTTP/1.1\r\nhost: r\r\ncontent-length: ${size}\r\n\r\n{"model"`);
  await refused.received('"code":"overloaded"');
  t.match(refused.text(), busy, 'answered from its head, while its body is still to come');
  t.match(refused.text(), /connection: close\r\n/, 'and nobody reads the rest');
  await refused.ended;
  answerAll();
  await Promise.all(taken.map((client) => client.received('hello')));
  const next = open(post(ask));
  await engine.arrived(2);
  answerAll();
  await next.received('hello');
});

t.test('bytes of bodies that are held', async (t) => {
  const { engine, open } = await scene(t, { bodyBytesInFlight: 1_000_000 });
  const head = 'POST /v1/completions HTTP/1.1\r\nhost: r\r\ncontent-length: 600000\r\n\r\n';
  const half = head + ' '.repeat(300_000);
  const clients = [1, 2, 3, 4, 5].map(() => open(half));
  const refused = () => clients.filter((client) => busy.test(client.text()));
  await until(() => refused().length === 2);
  t.equal(refused().length, 2, 'three halves fit, whoever sent them');
  for (const client of refused()) await client.ended;
  const declared = open(`POST /v1/completions HTTP/1.1\r\nhost: r\r\ncontent-length: 600000\r\n\r\n`);
  await declared.received('"code":"overloaded"');
  t.match(declared.text(), busy, 'what says that it will not fit is not waited for');
  for (const client of clients) client.leave();
  const next = open(post(ask));
  await engine.arrived(0);
  next.leave();
  t.pass('their room is given back');
});

t.test('connections', async (t) => {
  const { lab, open } = await scene(t, { connections: 2 });
  const silent = [open(''), open('')];
  const list = 'GET /v1/models HTTP/1.1\r\nhost: r\r\n\r\n';
  await connected(lab.metrics, 2);
  const refused = open(list);
  await refused.received('"code":"overloaded"');
  t.match(refused.text(), busy);
  await refused.ended;
  t.match(await lab.metrics.render(), /tandem_router_refused_total\{reason="overloaded"\} 1\n/);
  silent[0]?.leave();
  await connected(lab.metrics, 1);
  const next = open(list);
  await next.received('"tiny"');
});

async function connected(metrics: { render(): Promise<string> }, count: number): Promise<void> {
  while (!(await metrics.render()).includes(`tandem_router_client_connections ${count}\n`)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

t.test('what asks for no model does not count as one', async (t) => {
  const { lab, open } = await scene(t, {});
  const cases = [
    ['GET /healthz', 200],
    ['GET /readyz', 200],
    ['GET /metrics', 200],
    ['GET /v1/models', 200],
    ['OPTIONS /v1/models', 204],
    ['POST /v1/models', 405],
    ['GET /v1/completions', 405],
    ['DELETE /v1/embeddings', 405],
    ['GET /v1/foo', 404],
    ['GET /', 404],
    ['POST /foo', 404],
  ] as const;
  for (const [line, status] of cases) {
    const client = open(`${line} HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n`);
    await client.ended;
    t.match(client.text(), new RegExp(`^HTTP/1\\.1 ${status} `), line);
    if (status === 405) t.match(client.text(), line.endsWith('models') ? /allow: GET, HEAD\r\n/ : /allow: POST\r\n/);
  }
  const text = await lab.metrics.render();
  t.match(text, /requests_total\{model="none",status="200"\} 1\n/, 'probes are not counted at all');
  t.match(text, /requests_total\{model="none",status="404"\} 2\n/);
  t.match(text, /requests_total\{model="none",status="405"\} 2\n/);
  t.match(text, /requests_total\{model="unknown",status="404"\} 1\n/, 'what was posted to nowhere named no model');
});

t.test('how late the event loop is, since the last scrape', async (t) => {
  const { lab } = await scene(t, {});
  const late = async (of: string) =>
    Number(
      new RegExp(`^tandem_router_event_loop_delay_seconds\\{of="${of}"\\} (\\S+)$`, 'm').exec(
        await lab.metrics.render(),
      )?.[1],
    );
  // No event tells of a look; it measures from one to the next, and the first one after a scrape only begins.
  await new Promise((resolve) => setTimeout(resolve, 250));
  const until = performance.now() + 400;
  while (performance.now() < until);
  for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  const max = await late('max');
  t.ok(max > 0.2 && max < 60, `${max} s`);
  t.ok((await late('max')) < max, 'a scrape begins anew');
  t.ok((await late('p50')) >= 0);
});

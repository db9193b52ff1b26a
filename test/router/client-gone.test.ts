/** A client that leaves at any moment strands no KV: prefill's answer is still read, and decode gives back what it holds. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { ConnectorName } from '../../src/lab/engine/options.js';
import { startPair } from '../../src/lab/pairs.js';
import { type RouterLab, routerLab, serverOf } from './lab.js';
import {
  answer,
  completion,
  connectClient,
  event,
  post,
  prefilled,
  type Script,
  type ScriptedEngine,
  scriptedEngine,
  sseHead,
  subnet,
  token,
  until,
} from './support.js';

const ip = subnet('client-gone');
const ask = { model: 'tiny', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 9 };
const silent: Script = () => undefined;
const long = { abandonedMs: 10_000, deliverMs: 1000 };
const pods = (prefill: string, decode: string) => [
  { name: 'p0', ip: prefill, role: 'prefill' },
  { name: 'd0', ip: decode, role: 'decode' },
];

/** The port of both engines of a lab pair: a ModelServer has one. Decode takes the one that prefill was given. */
async function labPair(t: Test, connector: ConnectorName, hosts: readonly [number, number]) {
  const port = 18_000 + hosts[0];
  const pair = await startPair(
    {
      prefillHost: ip(hosts[0]),
      decodeHost: ip(hosts[1]),
      both: { connector, port, leaseMs: 3_600_000, keepSeen: 1000, timing: { prefillMsPerToken: 0.2 } },
    },
    new AbortController().signal,
  );
  t.teardown(() => pair.stop());
  const server = serverOf(port);
  const lab = await routerLab(t, { pods: pods(ip(hosts[0]), ip(hosts[1])), server, limits: long });
  return { pair, lab };
}

t.test('cut after 0 to 40 ms, streamed or not, requests leave no block behind', async (t) => {
  for (const [connector, host] of [
    ['nixl', 1],
    ['mooncake-v1', 3],
  ] as const) {
    t.test(connector, async (t) => {
      const { pair, lab } = await labPair(t, connector, [host, host + 1]);
      const cut = async (i: number) => {
        const content = `prompt ${i} `.repeat(1 + (i % 40));
        const body = { model: 'tiny', stream: i % 2 === 0, max_tokens: 40, messages: [{ role: 'user', content }] };
        const id = `cut-${i}`;
        const client = connectClient(lab.port, post(body, `x-request-id: ${id}\r\n`));
        await new Promise((resolve) => setTimeout(resolve, i % 41));
        client.leave();
        await client.ended;
      };
      for (let i = 0; i < 123; i += 3) await Promise.all([cut(i), cut(i + 1), cut(i + 2)]);
      await accounted(lab);
      await within(5000, () => pair.prefill.isIdle && pair.decode.isIdle);
      t.equal(pair.blocksHeld(), 0);
      t.match(pair.prefill.stats(), { blocksUsed: 0, expired: 0, isAlive: true });
      t.match(pair.decode.stats(), { blocksUsed: 0, wrongTexts: 0, isAlive: true });
      t.comment(await abandoned(lab));
      t.ok(lab.access.length > 0, `${lab.access.filter(({ ended }) => ended === 'client-left').length} were cut`);
      await lab.running.stop();
      await until(() => pair.prefill.stats().connections + pair.decode.stats().connections === 0);
    });
  }
});

/** Waits until the router has nothing in flight. */
async function accounted(lab: RouterLab): Promise<void> {
  while (!/^tandem_router_requests_in_flight 0$/m.test(await lab.metrics.render())) await turn();
}

/** Waits, but not for what never comes: the assertions that follow say what is wrong. */
async function within(ms: number, holds: () => boolean): Promise<void> {
  const last = performance.now() + ms;
  while (!holds() && performance.now() < last) await turn();
}

const abandoned = async (lab: RouterLab): Promise<string> =>
  (await lab.metrics.render()).match(/^tandem_router_abandoned_total.*$/gm)?.join(' ') ?? 'none abandoned';

interface Scene {
  readonly lab: RouterLab;
  readonly p: ScriptedEngine;
  readonly d: ScriptedEngine;
}

let host = 10;

async function scene(t: Test, prefill: Script, decode: Script, limits: object = long): Promise<Scene> {
  host += 2;
  const p = await scriptedEngine(t, ip(host), 0, prefill);
  const d = await scriptedEngine(t, ip(host + 1), p.port, decode);
  const lab = await routerLab(t, { pods: pods(ip(host), ip(host + 1)), server: serverOf(p.port), limits });
  return { lab, p, d };
}

/** Lets the router read what the client or an engine has just done. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 20));

const decodeOk: Script = ({ socket }) => void socket.write(answer(200, completion('hello')));

t.test('leaving while prefill', async (t) => {
  const whole = answer(200, prefilled());
  for (const [when, sentBefore] of [
    ['has the request and is silent', 0],
    ['is in the middle of its head', 20],
    ['has answered with its head', whole.indexOf('\r\n\r\n') + 4],
    ['is in the middle of its body', whole.length - 20],
  ] as const) {
    t.test(`${when}: the late answer is read, and decode gives the KV back with one token`, async (t) => {
      const { lab, p, d } = await scene(t, silent, decodeOk);
      const body = { ...ask, stream: true, stream_options: { include_usage: true }, min_tokens: 5 };
      const client = connectClient(lab.port, post(body, 'x-request-id: gone\r\n'));
      const { socket } = await p.arrived(0);
      if (sentBefore > 0) socket.write(whole.slice(0, sentBefore));
      await turn();
      client.leave();
      await client.ended;
      await turn();
      t.notOk(socket.destroyed);
      socket.write(whole.slice(sentBefore));
      const decode = JSON.parse((await d.arrived(0)).body) as Record<string, unknown>;
      t.match(decode, { messages: ask.messages, max_tokens: 1, min_tokens: 1, stream: false });
      t.match(decode, { kv_transfer_params: { do_remote_prefill: true } });
      t.notOk('stream_options' in decode, 'which is legal only for a stream');
      t.match(await lab.logged('gone'), {
        status: 499,
        ended: 'client-left',
        legs: [{ outcome: 'ok' }, { leg: 'decode', outcome: 'ok' }],
      });
      t.match(await abandoned(lab), /\{leg="decode",outcome="answered"\} 1$/);
    });
  }

  t.test('refuses: decode is not called, and no other pod is asked', async (t) => {
    const { lab, p, d } = await scene(t, silent, decodeOk);
    const client = connectClient(lab.port, post(ask, 'x-request-id: gone\r\n'));
    const { socket } = await p.arrived(0);
    client.leave();
    await client.ended;
    await turn();
    socket.write(answer(503, '{}'));
    t.match(await lab.logged('gone'), { ended: 'client-left', legs: [{ leg: 'prefill', outcome: '503' }] });
    t.equal(p.requests.length + d.requests.length, 1);
  });

  t.test('has not got the whole request: it is aborted at once, having computed nothing', async (t) => {
    const connected: Socket[] = [];
    const reader = createServer({ pauseOnConnect: true }, (socket) => void connected.push(socket));
    await new Promise<void>((resolve) => reader.listen(0, ip(8), resolve));
    t.teardown(() => {
      for (const socket of connected) socket.destroy();
      reader.close();
    });
    const { port } = reader.address() as AddressInfo;
    const lab = await routerLab(t, { pods: pods(ip(8), ip(9)), server: serverOf(port), limits: long });
    const body = { ...ask, messages: [{ role: 'user', content: 'x'.repeat(30_000_000) }] };
    const client = connectClient(lab.port, post(body, 'x-request-id: gone\r\n'));
    await until(() => connected.length > 0);
    await turn();
    client.leave();
    t.match(await lab.logged('gone'), { ended: 'client-left', legs: [{ outcome: 'aborted' }] });
    t.match(await abandoned(lab), /\{leg="prefill",outcome="unsent"\} 1$/);
  });
});

t.test('leaving while decode', async (t) => {
  const prefillOk: Script = ({ socket }) => void socket.write(answer(200, prefilled()));

  t.test('has the request and is silent: it has a moment to take the handover in', async (t) => {
    const { lab, d } = await scene(t, prefillOk, silent, { deliverMs: 200 });
    const client = connectClient(lab.port, post(ask, 'x-request-id: gone\r\n'));
    const { socket, gone } = await d.arrived(0);
    client.leave();
    await client.ended;
    await turn();
    t.notOk(socket.destroyed);
    await gone;
    t.match(await lab.logged('gone'), { legs: [{ outcome: 'ok' }, { leg: 'decode', outcome: 'aborted' }] });
    t.equal(await abandoned(lab), 'tandem_router_abandoned_total{leg="decode",outcome="aborted"} 1');
  });

  t.test('has sent the head of a stream: the first event shows that the KV is read, and closes it', async (t) => {
    const { lab, d } = await scene(t, prefillOk, ({ socket }) => void socket.write(sseHead));
    const client = connectClient(lab.port, post({ ...ask, stream: true }, 'x-request-id: gone\r\n'));
    const { socket, gone } = await d.arrived(0);
    await turn();
    client.leave();
    await client.ended;
    await turn();
    t.notOk(socket.destroyed, 'vLLM sends this head before its engine knows of the request');
    socket.write('6\r\ndata: \r\n');
    await gone;
    t.match(await lab.logged('gone'), { legs: [{}, { leg: 'decode', outcome: 'aborted' }] });
    t.equal(await abandoned(lab), 'tandem_router_abandoned_total{leg="decode",outcome="answered"} 1');
  });

  t.test('streams: it is closed, and nothing was at stake', async (t) => {
    const { lab, d } = await scene(t, prefillOk, ({ socket }) => void socket.write(sseHead + event(token('a'))));
    const client = connectClient(lab.port, post({ ...ask, stream: true }, 'x-request-id: gone\r\n'));
    const { socket, gone } = await d.arrived(0);
    await client.received('"a"');
    client.leave();
    await client.ended;
    await turn();
    socket.write(event(token('b')));
    await gone;
    t.match(await lab.logged('gone'), { ended: 'client-left' });
    t.equal(await abandoned(lab), 'none abandoned');
  });

  t.test('fails: it is not known whether the KV was read', async (t) => {
    const { lab, d } = await scene(t, prefillOk, silent);
    const client = connectClient(lab.port, post(ask, 'x-request-id: gone\r\n'));
    const { socket } = await d.arrived(0);
    client.leave();
    await client.ended;
    await turn();
    socket.write(answer(500, '{}'));
    t.match(await lab.logged('gone'), { ended: 'client-left' });
    t.equal(await abandoned(lab), 'tandem_router_abandoned_total{leg="decode",outcome="failed"} 1');
  });

  t.test('is in the middle of a short answer: nothing is aborted', async (t) => {
    const whole = answer(200, completion('hello'));
    const { lab, d } = await scene(t, prefillOk, ({ socket }) => void socket.write(whole.slice(0, -20)));
    const client = connectClient(lab.port, post(ask, 'x-request-id: gone\r\n'));
    const { socket } = await d.arrived(0);
    await turn();
    client.leave();
    await client.ended;
    await turn();
    socket.write(whole.slice(-20));
    t.match(await lab.logged('gone'), { ended: 'client-left', legs: [{}, { leg: 'decode', outcome: 'ok' }] });
    t.equal(await abandoned(lab), 'none abandoned');
  });
});

t.test('a prompt of 20 MB', async (t) => {
  const { pair, lab } = await labPair(t, 'nixl', [5, 6]);
  const text = JSON.stringify({ ...ask, messages: [{ role: 'user', content: 'word '.repeat(4_000_000) }] });
  const direct = await send(pair.prefill.url, text);
  t.equal(direct.status, 400);
  t.match(direct.text, /maximum context length is 32768 tokens/);
  t.same(await send(lab.url, text), direct, 'is refused in the engine’s own words');
  const chunked = await send(lab.url, new Blob([text]).stream());
  t.same(chunked, direct, 'also when it comes in chunks');
  t.equal(pair.prefill.stats().isAlive, true);
  const tooLong = text.replace('word', 'word '.repeat(11_000_000));
  for (const body of [tooLong, new Blob([tooLong]).stream()]) {
    const refused = await send(lab.url, body);
    t.equal(refused.status, 413);
    t.match(JSON.parse(refused.text), { error: { code: 'body-too-large', message: /67108864 bytes/ } });
  }
});

async function send(url: string, body: string | ReadableStream): Promise<{ status: number; text: string }> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    duplex: 'half',
  } as RequestInit);
  return { status: response.status, text: await response.text() };
}

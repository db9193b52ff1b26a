/** What pd-protocols A.0.5 asks of a router, on real sockets, with engines that fail in every way at every moment. */
import t, { type Test } from 'tap';
import type { Limits } from '../../router/limits.js';
import type { ModelServer } from '../../src/api/types.js';
import { type PodWanted, type RouterLab, routerLab, serverOf } from './lab.js';
import {
  type Arrived,
  answer,
  chunk,
  completion,
  connectClient,
  event,
  lastChunk,
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

const ip = subnet('failures');
const ask = { model: 'tiny', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 9 };
const prefillOk: Script = ({ socket }) => void socket.write(answer(200, prefilled()));
const decodeOk: Script = ({ socket }) => void socket.write(answer(200, completion('hello')));
const streamOk: Script = ({ socket }) =>
  void socket.write(sseHead + event(token('a')) + event(token('b', 'stop')) + event('[DONE]') + lastChunk);
const reset: Script = ({ socket }) => void socket.resetAndDestroy();
const refuse =
  (status: number): Script =>
  ({ socket }) =>
    void socket.write(answer(status, `{"error":{"message":"no ${status}"}}`));

interface Scene {
  readonly lab: RouterLab;
  readonly p: readonly ScriptedEngine[];
  readonly d: readonly ScriptedEngine[];
  /** Pods that were asked, in order, as `p0 d0`. */
  asked(): string;
}

interface Setting {
  readonly prefill: readonly Script[];
  readonly decode: readonly Script[];
  readonly whole?: readonly Script[];
  readonly spec?: Partial<ModelServer['spec']>;
  readonly fallback?: string;
  readonly limits?: Partial<Limits>;
}

let hosts = 1;

/** Engines with these scripts, all on one port of their own addresses, and a router in front of them. */
async function scene(
  t: Test,
  { prefill, decode, whole = [], spec = {}, fallback, limits = {} }: Setting,
): Promise<Scene> {
  const order: string[] = [];
  let port = 0;
  const pods: PodWanted[] = [];
  const start = async (role: string, scripts: readonly Script[]) => {
    const engines: ScriptedEngine[] = [];
    for (const [i, script] of scripts.entries()) {
      const name = `${role[0]}${i}`;
      hosts = (hosts % 250) + 1;
      const host = ip(hosts);
      const engine = await scriptedEngine(t, host, port, (request, index) => {
        order.push(name);
        return script(request, index);
      });
      port = engine.port;
      pods.push({ name, ip: host, ...(role !== 'whole' && { role }) });
      engines.push(engine);
    }
    return engines;
  };
  const p = await start('prefill', prefill);
  const d = await start('decode', decode);
  await start('whole', whole);
  const server = serverOf(port, spec, fallback === undefined ? {} : { 'tandem.dev/fallback': fallback });
  const lab = await routerLab(t, { pods, server, limits });
  return { lab, p, d, asked: () => order.join(' ') };
}

/** The first request that the first of these engines gets. */
function first([engine]: readonly ScriptedEngine[]): Promise<Arrived> {
  if (!engine) throw new Error('the scene has no such engine');
  return engine.arrived(0);
}

async function request(lab: RouterLab, body: object = ask, path = '/v1/chat/completions') {
  const response = await fetch(`${lab.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

t.test('a pair that works', async (t) => {
  t.test(
    'gets exactly the surgery of pd-protocols A.0.1 on prefill, and the handover digit by digit on decode',
    async (t) => {
      const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [streamOk] });
      const body = `{"model":"tiny","seed":9007199254740993,"messages":[{"role":"user","content":"é\\u00e9"}],"stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":12,"min_tokens":5,"temperature":0.70}`;
      const client = connectClient(
        lab.port,
        post(body, 'x-request-id: r-1\r\nauthorization: Bearer k\r\naccept-encoding: gzip\r\n'),
      );
      await client.received('[DONE]');
      client.leave();
      t.equal(
        p[0]?.requests[0]?.body,
        `{"model":"tiny","seed":9007199254740993,"messages":[{"role":"user","content":"é\\u00e9"}],"stream":false,"max_completion_tokens":1,"min_tokens":1,"temperature":0.70,"max_tokens":1,"kv_transfer_params":{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,"remote_block_ids":null,"remote_host":null,"remote_port":null}}`,
      );
      t.equal(
        d[0]?.requests[0]?.body,
        `${body.slice(0, -1)},"kv_transfer_params":{"do_remote_prefill":true,"remote_host":"10.9.9.9","remote_port":5600,"remote_engine_id":9007199254740993,"remote_block_ids":[[1,2]]}}`,
      );
      for (const { head } of [p[0]?.requests[0], d[0]?.requests[0]] as Arrived[]) {
        t.match(head, /x-request-id: r-1\r\n/);
        t.match(head, /authorization: Bearer k\r\n/i);
        t.notMatch(head, /accept-encoding/i, 'a compressed answer could not be watched');
      }
    },
  );

  t.test('is named in the answer with the time of both legs, under the id of the request', async (t) => {
    const { lab } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
    const { headers, text } = await request(lab);
    t.equal(headers.get('x-tandem-pair'), 'p0,d0');
    t.match(headers.get('server-timing'), /^prefill;dur=[\d.]+, decode;dur=[\d.]+$/);
    const id = headers.get('x-request-id') ?? '';
    t.match(id, /^[0-9a-f-]{36}$/);
    t.equal(text, completion('hello'), 'the answer is passed on byte for byte');
    t.match(await lab.logged(id), {
      status: 200,
      legs: [
        { leg: 'prefill', pod: 'p0' },
        { leg: 'decode', pod: 'd0' },
      ],
      tokens_out: 3,
    });
  });

  t.test('streams chunk by chunk, each as soon as it comes, framed as the engine framed it', async (t) => {
    const held: Arrived[] = [];
    const { lab } = await scene(t, { prefill: [prefillOk], decode: [(request) => void held.push(request)] });
    const client = connectClient(lab.port, post({ ...ask, stream: true }));
    await until(() => held.length > 0);
    const { socket } = held[0] as Arrived;
    const odd = `5;x=1\r\n: hi\n\r\n${chunk('\n')}`;
    socket.write(sseHead + odd);
    await client.received(odd);
    socket.write(event(token('a')));
    await client.received('"content":"a"');
    socket.write(`${event('[DONE]')}0\r\nx-trailer: 1\r\n\r\n`);
    await client.received('[DONE]');
    await client.received('0\r\n\r\n');
    t.notMatch(client.text(), /x-trailer/, 'trailers are dropped');
    client.leave();
  });

  t.test('gets no parameter from the client that only a router may set', async (t) => {
    const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
    await request(lab, {
      ...ask,
      kv_transfer_params: { do_remote_prefill: true, remote_host: 'evil' },
      bootstrap_host: 'evil',
    });
    t.notMatch(p[0]?.requests[0]?.body, /evil/);
    t.notMatch(d[0]?.requests[0]?.body, /evil/);
    await request(lab, { ...ask, n: 2, kv_transfer_params: { do_remote_prefill: true } });
    t.notMatch(d[0]?.requests[1]?.body, /kv_transfer_params/, 'not when it is sent whole either');
    t.match(await lab.metrics.render(), /tandem_router_repairs_total\{what="client-params"\} 2/);
  });

  for (const host of ['0.0.0.0', '::', 'localhost', '127.0.0.1', '']) {
    t.test(`dials the prefill pod although it advertises "${host}"`, async (t) => {
      const script: Script = ({ socket }) => void socket.write(answer(200, prefilled('1', host)));
      const { lab, d } = await scene(t, { prefill: [script], decode: [decodeOk] });
      await request(lab);
      const pod = lab.cluster.pods.get('default', 'p0')?.status?.podIP;
      t.match(d[0]?.requests[0]?.body, `"remote_host":"${pod}","remote_port":5600`);
      t.match(await lab.metrics.render(), /repairs_total\{what="remote-host"\} 1/);
    });
  }

  t.test('keeps the address that prefill advertises when it leads anywhere', async (t) => {
    for (const given of ['10.1.2.3', 'p0.svc', 'own']) {
      const host = given === 'own' ? ip(hosts + 1) : given;
      const script: Script = ({ socket }) => void socket.write(answer(200, prefilled('1', host)));
      const { lab, d } = await scene(t, { prefill: [script], decode: [decodeOk] });
      await request(lab);
      t.match(d[0]?.requests[0]?.body, `"remote_host":"${host}"`);
    }
  });

  t.test('is asked for the model by the name its ModelServer gives', async (t) => {
    const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [decodeOk], spec: { model: 'own/name' } });
    await request(lab);
    t.match(p[0]?.requests[0]?.body, /"model":"own\/name"/);
    t.match(d[0]?.requests[0]?.body, /"model":"own\/name"/);
  });
});

t.test('what is not split', async (t) => {
  const whole: readonly [string, object, string?][] = [
    ['several answers', { ...ask, n: 2 }],
    ['several prompts', { model: 'tiny', prompt: ['a', 'b'] }, '/v1/completions'],
    ['an echoed prompt', { model: 'tiny', prompt: 'a', echo: true }, '/v1/completions'],
    ['log-probabilities of the prompt', { ...ask, prompt_logprobs: 1 }],
    ['a limit that only decode would refuse', { ...ask, max_tokens: 'many' }],
    ['no tokens at all', { ...ask, max_tokens: 0 }],
    ['more tokens at least than at most', { ...ask, min_tokens: 20 }],
    ['stream options without a stream', { ...ask, stream_options: {} }],
    ['embeddings', { model: 'tiny', input: 'a' }, '/v1/embeddings'],
  ];
  const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
  for (const [what, body, path] of whole) {
    const before = d[0]?.requests.length ?? 0;
    t.equal((await request(lab, body, path)).status, 200);
    t.equal(d[0]?.requests[before]?.body, JSON.stringify(body), `${what}: one leg, untouched`);
  }
  t.equal(p[0]?.requests.length, 0);
  await request(lab, { model: 'tiny', prompt: [1, 2, 3] }, '/v1/completions');
  t.equal(p[0]?.requests.length, 1, 'one prompt of token ids is split like any other');
});

t.test('prefill', async (t) => {
  for (const status of [400, 404, 413, 422, 429]) {
    t.test(`that refuses with ${status} is passed on as it is, asked once, and decode is not called`, async (t) => {
      const { lab, asked } = await scene(t, { prefill: [refuse(status), refuse(status)], decode: [decodeOk] });
      const { status: got, text } = await request(lab);
      t.same([got, text], [status, `{"error":{"message":"no ${status}"}}`]);
      t.equal(asked(), 'p0');
    });
  }

  const failing: readonly [string, Script][] = [
    ['500', refuse(500)],
    ['503', refuse(503)],
    ['reset', reset],
    ['an answer that is not JSON', ({ socket }) => void socket.write(answer(200, 'hello'))],
    ['half an answer', ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{')],
    ['no answer in time', () => undefined],
  ];
  for (const [what, script] of failing) {
    t.test(`that fails with ${what} is replaced by another one`, async (t) => {
      const { lab, asked } = await scene(t, {
        prefill: [script, prefillOk],
        decode: [decodeOk],
        limits: { prefillMs: 100 },
      });
      const { status, headers } = await request(lab);
      t.equal(status, 200);
      t.equal(headers.get('x-tandem-pair'), 'p1,d0');
      t.match(asked(), /^p0 p1 d0$/);
    });
  }

  t.test('that fails everywhere gives the engine’s own last words', async (t) => {
    const { lab, asked } = await scene(t, { prefill: [refuse(503), refuse(503)], decode: [decodeOk] });
    const { status, text } = await request(lab);
    t.same([status, text], [503, '{"error":{"message":"no 503"}}']);
    t.equal(asked(), 'p0 p1', 'no pod is asked twice');
  });

  t.test('that nobody can reach is an error with a code and what to do', async (t) => {
    const { lab, p } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
    await p[0]?.close();
    const { status, text } = await request(lab);
    t.equal(status, 502);
    t.match(JSON.parse(text), {
      error: { code: 'engine-unreachable', type: 'server_error', message: /pod p0 .*retry/ },
    });
  });

  t.test('that hangs is ended by the ModelServer’s timeout, which is named', async (t) => {
    const { lab } = await scene(t, {
      prefill: [() => undefined],
      decode: [decodeOk],
      spec: { trafficPolicy: { timeout: '80ms' } },
    });
    const { status, text } = await request(lab);
    t.equal(status, 504);
    t.match(text, /engine-timeout.*|trafficPolicy\.timeout/);
  });

  t.test('that answers without a handover is an error, unless the owner wants otherwise', async (t) => {
    const none: Script = ({ socket }) => void socket.write(answer(200, completion('x')));
    const strict = await scene(t, { prefill: [none], decode: [decodeOk] });
    t.match(await request(strict.lab), { status: 502, text: /no-handover/ });
    t.equal(strict.asked(), 'p0', 'decode does not compute in silence what prefill should have');

    const recompute = await scene(t, { prefill: [none], decode: [decodeOk], fallback: 'recompute' });
    t.equal((await request(recompute.lab)).status, 200);
    t.equal(recompute.d[0]?.requests[0]?.body, JSON.stringify(ask), 'decode gets the request as it came');
    t.match(await recompute.lab.metrics.render(), /tandem_router_fallbacks_total\{kind="recompute"\} 1/);

    const aggregated = await scene(t, {
      prefill: [none],
      decode: [decodeOk],
      whole: [decodeOk],
      fallback: 'aggregated',
    });
    t.equal((await request(aggregated.lab)).headers.get('x-tandem-pair'), 'w0');
    t.match(await aggregated.lab.metrics.render(), /tandem_router_fallbacks_total\{kind="aggregated"\} 1/);
  });
});

t.test('decode', async (t) => {
  for (const status of [400, 404, 429]) {
    t.test(`that refuses with ${status} is passed on as it is and not tried again`, async (t) => {
      const { lab, asked } = await scene(t, { prefill: [prefillOk], decode: [refuse(status), decodeOk] });
      t.match(await request(lab), { status, text: `{"error":{"message":"no ${status}"}}` });
      t.equal(asked(), 'p0 d0');
    });
  }

  const gone =
    (reason: string): Script =>
    ({ socket }) =>
      void socket.write(sseHead + event(token('', reason)) + event('[DONE]') + lastChunk);
  const failing: readonly [string, Script][] = [
    ['500', refuse(500)],
    ['reset', reset],
    ['a head and nothing else', ({ socket }) => void socket.end(sseHead)],
    [
      'an error as its first event',
      ({ socket }) => void socket.write(sseHead + event({ error: { message: 'x' } }) + lastChunk),
    ],
    ['finish_reason abort before any text', gone('abort')],
    ['finish_reason error before any text', gone('error')],
    ['no answer in time', () => undefined],
  ];
  for (const [what, script] of failing) {
    t.test(
      `that fails with ${what} before the first byte is redone with a fresh prefill on another pair`,
      async (t) => {
        const { lab, asked, d } = await scene(t, {
          prefill: [prefillOk],
          decode: [script, streamOk],
          limits: { decodeMs: 100 },
        });
        const { status, text } = await request(lab, { ...ask, stream: true });
        t.equal(status, 200);
        t.match(text, /"content":"a"[\s\S]*\[DONE\]\n\n$/);
        t.equal(asked(), 'p0 d0 p0 d1', 'the handover is never used twice');
        t.equal(d[1]?.requests.length, 1);
      },
    );
  }

  t.test('whose connection broke is asked again when there is no other, with a fresh prefill', async (t) => {
    const { lab, asked } = await scene(t, {
      prefill: [prefillOk],
      decode: [(request, index) => (index === 0 ? reset(request, index) : decodeOk(request, index))],
    });
    t.equal((await request(lab)).status, 200);
    t.equal(asked(), 'p0 d0 p0 d0');
  });

  t.test('that ends a whole answer with finish_reason abort is a failure, not an answer', async (t) => {
    const { lab, asked } = await scene(t, {
      prefill: [prefillOk],
      decode: [({ socket }) => void socket.write(answer(200, completion('half', 'abort'))), decodeOk],
    });
    t.match(await request(lab), { status: 200, text: completion('hello') });
    t.equal(asked(), 'p0 d0 p0 d1');
  });

  const cuts: readonly [string, (socket: Arrived['socket']) => void][] = [
    ['a reset', (socket) => void socket.resetAndDestroy()],
    ['a closed connection', (socket) => void socket.end()],
    ['half a chunk', (socket) => void socket.end('40\r\ndata: {"choi')],
    ['chunks that are none', (socket) => void socket.write('hello\r\n')],
    ['finish_reason abort', (socket) => void socket.write(event(token('', 'abort')) + event('[DONE]') + lastChunk)],
    ['silence', () => undefined],
  ];
  for (const [what, cut] of cuts) {
    t.test(
      `that ends with ${what} after the first byte ends the stream with an error event, and no second answer`,
      async (t) => {
        const { lab, asked } = await scene(t, {
          prefill: [prefillOk, prefillOk],
          decode: [
            ({ socket }) => void socket.write(sseHead + event(token('a')), () => setImmediate(() => cut(socket))),
            streamOk,
          ],
          limits: { idleMs: 100 },
        });
        const { status, text } = await request(lab, { ...ask, stream: true });
        t.equal(status, 200);
        t.match(
          text,
          /^data: \{.*"content":"a".*\}\n\ndata: \{"error":\{"message":".*","type":"server_error".*\}\}\n\n$/,
        );
        t.notMatch(text, /\[DONE\]/);
        t.equal(asked(), 'p0 d0');
      },
    );
  }

  t.test('that breaks off an answer that is not streamed is never taken for complete', async (t) => {
    const big = 'x'.repeat(2_000_000);
    const { lab } = await scene(t, {
      prefill: [prefillOk],
      decode: [
        ({ socket }) =>
          void socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n${big}`, () => void socket.end()),
      ],
    });
    await t.rejects(request(lab), 'the connection breaks');
  });
});

t.test('a client that leaves', async (t) => {
  t.test('during prefill: it may end within the bound, then it is aborted; decode is not called', async (t) => {
    const { lab, p, asked } = await scene(t, { prefill: [() => undefined], decode: [decodeOk] });
    const client = connectClient(lab.port, post(ask, 'x-request-id: left-1\r\n'));
    const leg = await p[0]?.arrived(0);
    client.leave();
    await leg?.gone;
    t.match(await lab.logged('left-1'), {
      status: 499,
      ended: 'client-left',
      legs: [{ leg: 'prefill', outcome: 'aborted' }],
    });
    t.equal(asked(), 'p0');
    t.match(await lab.metrics.render(), /abandoned_total\{leg="prefill",outcome="aborted"\} 1/);
  });

  t.test('between the legs: decode gets its handover, and is then aborted', async (t) => {
    const { lab, p, d } = await scene(t, { prefill: [() => undefined], decode: [() => undefined] });
    const client = connectClient(lab.port, post(ask, 'x-request-id: left-2\r\n'));
    const leg = (await p[0]?.arrived(0)) as Arrived;
    const whole = answer(200, prefilled());
    leg.socket.write(whole.slice(0, -20));
    await until(() => leg.socket.bytesWritten === whole.length - 20);
    await until(() => leg.socket.writableLength === 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.leave();
    await client.ended;
    await new Promise((resolve) => setTimeout(resolve, 20));
    leg.socket.write(whole.slice(-20));
    const decode = await first(d);
    t.match(decode.body, /"remote_engine_id":9007199254740993/);
    await decode.gone;
    t.match(await lab.logged('left-2'), {
      ended: 'client-left',
      legs: [{ outcome: 'ok' }, { leg: 'decode', outcome: 'aborted' }],
    });
  });

  t.test('while decode is silent: decode is aborted', async (t) => {
    const { lab, d } = await scene(t, { prefill: [prefillOk], decode: [() => undefined] });
    const client = connectClient(lab.port, post(ask));
    const leg = await d[0]?.arrived(0);
    client.leave();
    await leg?.gone;
    t.pass('the engine sees the connection close');
  });

  t.test('during the stream: decode is aborted at once', async (t) => {
    const { lab, d } = await scene(t, {
      prefill: [prefillOk],
      decode: [({ socket }) => void socket.write(sseHead + event(token('a')))],
    });
    const client = connectClient(lab.port, post({ ...ask, stream: true }, 'x-request-id: left-3\r\n'));
    await client.received('"content":"a"');
    client.leave();
    await (await d[0]?.arrived(0))?.gone;
    t.match(await lab.logged('left-3'), {
      status: 200,
      ended: 'client-left',
      legs: [{}, { leg: 'decode', outcome: 'aborted' }],
    });
  });

  t.test('while sending: no engine is called', async (t) => {
    const { lab, asked } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
    const client = connectClient(lab.port, post(ask, 'x-request-id: left-4\r\nexpect: 100-continue\r\n').slice(0, -5));
    await client.received('100 Continue');
    client.leave();
    await client.ended;
    t.match(await lab.logged('left-4'), { status: 499, ended: 'client-left' });
    t.equal(asked(), '');
  });
});

t.test('a client that is slow', async (t) => {
  const flood: Script = ({ socket }) => {
    socket.write(sseHead);
    const more = () => {
      while (!socket.destroyed && socket.write(event(token('x'.repeat(8000)))));
      if (!socket.destroyed) socket.once('drain', more);
    };
    more();
  };
  const { lab, d } = await scene(t, { prefill: [prefillOk], decode: [flood], limits: { slowClientMs: 300 } });
  const client = connectClient(lab.port, post({ ...ask, stream: true }, 'x-request-id: slow\r\n'));
  await client.received('data:');
  client.pause();
  const { socket, gone } = await first(d);
  await gone;
  t.ok(
    socket.bytesWritten < 20_000_000,
    `the engine was slowed down after ${socket.bytesWritten} bytes, not the router filled`,
  );
  t.match(await lab.logged('slow'), { status: 200 });
  client.resume();
  await client.ended;
});

t.test('long prefills keep a streaming client waiting with comments when asked to', async (t) => {
  const held: Arrived[] = [];
  const { lab } = await scene(t, {
    prefill: [(request) => void held.push(request)],
    decode: [streamOk],
    limits: { heartbeatMs: 20 },
  });
  const client = connectClient(lab.port, post({ ...ask, stream: true }));
  await client.received(': waiting\n\n');
  held[0]?.socket.write(answer(200, prefilled()));
  await client.received('[DONE]');
  t.match(client.text(), /^HTTP\/1\.1 200 OK\r\ncontent-type: text\/event-stream/);
  client.leave();

  const failing = connectClient(lab.port, post({ ...ask, stream: true }));
  await failing.received(': waiting');
  held[1]?.socket.write(answer(400, '{"error":\n{"message":"no"}}'));
  await failing.received('data: {"error": {"message":"no"}}\n\n');
  t.pass('what prefill refuses then arrives as an event');
  failing.leave();
});

t.test('stopping', async (t) => {
  t.test('lets open streams finish, takes no new requests, and closes everything', async (t) => {
    const { lab, d } = await scene(t, {
      prefill: [prefillOk],
      decode: [({ socket }) => void socket.write(sseHead + event(token('a')))],
    });
    const client = connectClient(lab.port, post({ ...ask, stream: true }));
    await client.received('"content":"a"');
    const stopped = lab.running.stop();
    await t.rejects(request(lab), 'no new connection is accepted');
    const { socket } = await first(d);
    socket.write(event(token('b', 'stop')) + event('[DONE]') + lastChunk);
    await client.received('[DONE]');
    await stopped;
    await client.ended;
    await until(() => d[0]?.connections() === 0);
  });

  t.test('ends streams that take too long with an error event', async (t) => {
    const { lab } = await scene(t, {
      prefill: [prefillOk],
      decode: [({ socket }) => void socket.write(sseHead + event(token('a')))],
      limits: { drainMs: 50 },
    });
    const client = connectClient(lab.port, post({ ...ask, stream: true }));
    await client.received('"content":"a"');
    await lab.running.stop();
    await client.ended;
    t.match(client.text(), /"code":"stopping"/);
  });
});

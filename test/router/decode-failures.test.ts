/** What pd-protocols A.0.5 asks of a router, on real sockets: decode engines that fail in every way at every moment. */
import t from 'tap';
import { ask, decodeOk, first, prefillOk, refuse, request, reset, scene, streamOk } from './pair-scene.js';
import {
  type Arrived,
  answer,
  completion,
  connectClient,
  event,
  lastChunk,
  post,
  prefilled,
  type Script,
  sseHead,
  token,
} from './support.js';

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

  t.test(
    'that cannot be reached has not seen the handover: another one gets it, without a second prefill',
    async (t) => {
      for (const [type, handover] of [
        ['nixl', /"remote_block_ids":\[\[1,2\]\]/],
        ['lmcache', /"max_tokens":9}$/],
      ] as const) {
        const decode = [decodeOk, decodeOk, decodeOk];
        const { lab, d, asked } = await scene(t, { prefill: [prefillOk], decode, spec: { kvConnector: { type } } });
        await d[0]?.close();
        await d[1]?.close();
        t.match(await request(lab), { status: 200, text: completion('hello') });
        t.equal(asked(), 'p0 d2');
        t.match(d[2]?.requests[0]?.body, handover);
        const metrics = await lab.metrics.render();
        t.match(metrics, /tandem_router_legs_total\{leg="decode",outcome="refused"\} 2/);
        t.notMatch(metrics, /tandem_router_untaken_handovers_total\{/);
        t.match(metrics, /tandem_router_places\{by="own"\} 0/);
      }
    },
  );

  t.test('that cannot be reached, none of it: it is counted that prefill holds what nobody reads', async (t) => {
    for (const [type, count] of [
      ['nixl', 'tandem_router_untaken_handovers_total{why="refused"} 1\n'],
      ['lmcache', ''],
    ] as const) {
      const { lab, d, asked } = await scene(t, {
        prefill: [prefillOk, prefillOk],
        decode: [decodeOk, decodeOk],
        spec: { kvConnector: { type } },
      });
      for (const engine of d) await engine.close();
      t.match(await request(lab), { status: 502, text: /engine-unreachable/ });
      t.equal(asked(), 'p0');
      t.equal((await lab.metrics.render()).match(/tandem_router_untaken_handovers_total\{.*\n/)?.[0] ?? '', count);
    }
  });

  t.test('that cannot be reached for a client who left: another one gives the KV back', async (t) => {
    const { lab, p, d, asked } = await scene(t, { prefill: [() => undefined], decode: [decodeOk, decodeOk] });
    await d[0]?.close();
    const client = connectClient(lab.port, post(ask, 'x-request-id: gone\r\n'));
    const { socket } = await first(p);
    client.leave();
    while (!/^tandem_router_client_connections 0$/m.test(await lab.metrics.render())) await new Promise(setImmediate);
    socket.write(answer(200, prefilled()));
    t.match(await lab.logged('gone'), {
      ended: 'client-left',
      legs: [{ leg: 'prefill' }, { leg: 'decode', pod: 'd0' }, { leg: 'decode', pod: 'd1', outcome: 'ok' }],
    });
    t.equal(asked(), 'p0 d1');
    t.match(JSON.parse(d[1]?.requests[0]?.body ?? ''), { max_tokens: 1, kv_transfer_params: {} });
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

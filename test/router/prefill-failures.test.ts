/** What pd-protocols A.0.5 asks of a router, on real sockets: prefill engines that fail in every way. */
import t from 'tap';
import { ask, decodeOk, prefillOk, refuse, request, reset, scene } from './pair-scene.js';
import { answer, completion, type Script } from './support.js';

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

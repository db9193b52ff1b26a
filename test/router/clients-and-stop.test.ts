/** Clients that leave at every moment or are slow, and a router that stops, on real sockets. */
import t from 'tap';
import { ask, decodeOk, first, prefillOk, request, scene, streamOk } from './pair-scene.js';
import {
  type Arrived,
  answer,
  connectClient,
  event,
  flood,
  lastChunk,
  post,
  prefilled,
  sseHead,
  token,
  until,
} from './support.js';

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

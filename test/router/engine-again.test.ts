/** A request whose connection breaks: when it is sent once more, and whether it has been delivered. */
import { createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { Call } from '../../router/engine/pool.js';
import { call, ip, poolOf } from './engine-call.js';
import { answer, scriptedEngine, until } from './support.js';

/** More than the kernel takes for a connection that nobody reads. */
const large = 'x'.repeat(30_000_000);

/** An engine that reads of each connection so many bytes of a request's body, answers when it has them, and reads no more. */
async function unreadEngine(t: Test, reads: (connection: number) => number) {
  const sockets: Socket[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    const index = sockets.push(socket) - 1;
    socket.on('error', () => undefined);
    const wanted = reads(index);
    let text = '';
    const onData = (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (text.indexOf('\r\n\r\n') + 4 + wanted > text.length) return;
      socket.off('data', onData).pause();
      socket.write(answer(200, '{}'));
    };
    if (wanted > 0) socket.on('data', onData).resume();
    for (const look of waiting) look();
  });
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const connected = async (index: number): Promise<Socket> => {
    while (!sockets[index]) await new Promise<void>((resolve) => waiting.push(resolve));
    return sockets[index];
  };
  return { port: (server.address() as { port: number }).port, connected };
}

t.test('a request to an engine', async (t) => {
  t.test('is sent once more when a re-used connection breaks before any answer, and only then', async (t) => {
    const engine = await scriptedEngine(t, ip, 0, ({ socket }, index) => {
      if (index === 1) socket.resetAndDestroy();
      else socket.write(answer(200, '{}'));
    });
    const pool = await poolOf(t);
    await call(pool, engine.port);
    t.match(await call(pool, engine.port), { status: 200 }, 'the second request went out again');
    t.equal(engine.requests.length, 3);
    engine.script = ({ socket }) => void socket.resetAndDestroy();
    t.match(await call(pool, engine.port, { again: false }), { failure: { stage: 'head', fault: 'reset' } });
    t.equal(engine.requests.length, 4, 'a request that must not be seen twice is not');
  });

  for (const [what, part] of [
    ['half a head', 'HTTP/1.1 200 OK\r\nconte'],
    ['an interim answer', 'HTTP/1.1 102 Processing\r\n\r\n'],
  ] as const) {
    t.test(`is not sent once more when ${what} has come: the engine has begun`, async (t) => {
      const engine = await scriptedEngine(t, ip, 0, ({ socket }, index) => {
        if (index === 0) socket.write(answer(200, '{}'));
        else socket.end(part);
      });
      const pool = await poolOf(t);
      await call(pool, engine.port);
      t.match(await call(pool, engine.port), { failure: { stage: 'head', fault: 'reset' } });
      t.equal(engine.requests.length, 2);
    });
  }

  t.test('is not delivered when its connection breaks before all of it is taken', async (t) => {
    const engine = await unreadEngine(t, () => 0);
    const pool = await poolOf(t);
    let made: Call | undefined;
    const ended = call(pool, engine.port, { body: [large], onCall: (call) => (made = call) });
    const socket = await engine.connected(0);
    socket.once('data', () => socket.resetAndDestroy()).resume();
    t.match(await ended, { failure: { stage: 'head', fault: 'reset' } });
    await made?.deliveredOrOver;
    await until(() => pool.size === 0);
    t.equal(made?.delivered, false);
  });

  t.test('is no longer delivered when it has to be sent once more', async (t) => {
    const small = '{}';
    const engine = await unreadEngine(t, (index) => (index === 0 ? small.length : 0));
    const pool = await poolOf(t);
    t.match(await call(pool, engine.port, { body: [small] }), { status: 200 });
    const first = await engine.connected(0);
    let got = 0;
    first.resume().on('data', ({ length }: Buffer) => {
      got += length;
      if (got >= large.length) first.resetAndDestroy();
    });
    let made: Call | undefined;
    const abort = new AbortController();
    const ended = call(pool, engine.port, { body: [large], signal: abort.signal, onCall: (call) => (made = call) });
    await engine.connected(1);
    t.equal(made?.delivered, false, 'the new connection has not taken it');
    abort.abort();
    t.match(await ended, { failure: { fault: 'aborted' } });
  });
});

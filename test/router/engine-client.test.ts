/** One call to an engine, and every way in which it can end. */
import { createServer, type Server } from 'node:net';
import t from 'tap';
import type { EngineFailure } from '../../router/engine/failure.js';
import { call, ip, poolOf } from './engine-call.js';
import { type Arrived, answer, chunk, lastChunk, scriptedEngine, sseHead, until } from './support.js';

t.test('a call to an engine', async (t) => {
  t.test('uses a connection again, and not one that the engine has closed', async (t) => {
    const engine = await scriptedEngine(t, ip, 0, ({ socket }) => void socket.write(answer(200, '{}')));
    const pool = await poolOf(t);
    t.match(await call(pool, engine.port), { status: 200, body: '{}' });
    t.match(await call(pool, engine.port), { status: 200 });
    t.equal(pool.size, 1, 'one connection served both');
    engine.requests[0]?.socket.end();
    await engine.requests[0]?.gone;
    t.match(await call(pool, engine.port), { status: 200 });
  });

  const endings: readonly [string, (request: Arrived) => void, Partial<EngineFailure>][] = [
    ['an engine that closes without a word', ({ socket }) => void socket.end(), { stage: 'head', fault: 'reset' }],
    ['half a head', ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\nconte'), { stage: 'head', fault: 'reset' }],
    [
      'a head without end',
      ({ socket }) => void socket.write(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(10_000)}`),
      { fault: 'protocol' },
    ],
    [
      'interim answers without end',
      ({ socket }) => void socket.write('HTTP/1.1 100\r\n\r\n'.repeat(6000)),
      { stage: 'head', fault: 'protocol' },
    ],
    [
      'an interim answer of HTTP/1.0, which knows none',
      ({ socket }) => void socket.write('HTTP/1.0 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
      { stage: 'head', fault: 'protocol' },
    ],
    [
      'a body where none may be',
      ({ socket }) => void socket.write('HTTP/1.1 204 None\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'),
      { fault: 'protocol' },
    ],
    ['garbage', ({ socket }) => void socket.write('hello\r\n\r\n'), { fault: 'protocol' }],
    [
      'a body shorter than its length',
      ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc'),
      { stage: 'body', fault: 'reset' },
    ],
    [
      'a body longer than its length',
      ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc'),
      { stage: 'body', fault: 'protocol' },
    ],
    [
      'chunks without end',
      ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab'),
      { stage: 'body', fault: 'reset' },
    ],
    ['silence', () => undefined, { stage: 'head', fault: 'timeout' }],
    [
      'silence after the head',
      ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n'),
      { stage: 'body', fault: 'timeout' },
    ],
    [
      'silence in the middle',
      ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc'),
      { stage: 'body', fault: 'timeout' },
    ],
  ];
  for (const [what, script, failure] of endings) {
    t.test(`fails in its own way for ${what}`, async (t) => {
      const engine = await scriptedEngine(t, ip, 0, script);
      const pool = await poolOf(t);
      t.match(await call(pool, engine.port, { head: 60, idle: 60 }), { failure });
      await engine.requests[0]?.gone;
      await until(() => pool.size === 0);
      t.pass('the connection is gone');
    });
  }

  t.test('reads interim answers, bodies that end with the connection, and bodies that must not be there', async (t) => {
    const engine = await scriptedEngine(t, ip, 0, ({ socket }, index) => {
      if (index === 0)
        socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\na: b\r\n\r\n${answer(200, '{"a":1}')}`);
      if (index === 1) socket.write('HTTP/1.1 204 None\r\ncontent-length: 5\r\n\r\n');
      if (index === 2) socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end');
    });
    const pool = await poolOf(t);
    t.match(await call(pool, engine.port), { status: 200, body: '{"a":1}' });
    t.match(await call(pool, engine.port), { status: 204, body: '' });
    t.match(await call(pool, engine.port), { status: 200, body: 'until the end' });
  });

  t.test('says that nobody listens, or that a connection takes too long', async (t) => {
    const pool = await poolOf(t);
    const closed = await closedPort();
    t.match(await call(pool, closed), { failure: { stage: 'connect', fault: 'refused' } });
    const silent = await scriptedEngine(t, ip, 0, () => undefined);
    t.match(await call(pool, silent.port, { tls: true, connect: 60 }), {
      failure: { stage: 'connect', fault: 'timeout', message: 'no connection within 0.06 s' },
    });
  });

  t.test('can be given up at any time, and closes its connection at once', async (t) => {
    const engine = await scriptedEngine(t, ip, 0, () => undefined);
    const pool = await poolOf(t);
    const abort = new AbortController();
    const ended = call(pool, engine.port, { signal: abort.signal });
    const request = await engine.arrived(0);
    abort.abort();
    t.match(await ended, { failure: { fault: 'aborted' } });
    await request.gone;
    await until(() => pool.size === 0);
  });

  for (const [framing, script] of [
    ['of a known length', ({ socket }: Arrived) => void socket.write(answer(200, '"held"'))],
    ['in chunks', ({ socket }: Arrived) => void socket.write(sseHead + chunk('"held"') + lastChunk)],
  ] as const) {
    t.test(`whose last bytes came with a pause leaves a connection that can be used again: ${framing}`, async (t) => {
      const engine = await scriptedEngine(t, ip, 0, script);
      const pool = await poolOf(t);
      t.match(await call(pool, engine.port, { pauses: true }), { body: '"held"' });
      t.match(await call(pool, engine.port, { head: 500 }), { body: '"held"' });
      t.equal(pool.size, 1, 'one connection served both');
    });
  }

  t.test('carries a large body as it is', async (t) => {
    const engine = await scriptedEngine(
      t,
      ip,
      0,
      ({ socket, body }) => void socket.write(answer(200, String(body.length))),
    );
    const pool = await poolOf(t);
    t.match(await call(pool, engine.port, { body: ['a'.repeat(300_000), 'b'.repeat(300_000)] }), { body: '600000' });
  });
});

async function closedPort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

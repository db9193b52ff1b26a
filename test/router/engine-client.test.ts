import { createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { EngineRequest, Exchange } from '../../router/engine/exchange.js';
import type { EngineFailure } from '../../router/engine/failure.js';
import { type Call, EnginePool, type PoolOptions } from '../../router/engine/pool.js';
import { parseHead, type ResponseHead } from '../../router/engine/response-head.js';
import { ChunkedReader } from '../../router/http/chunked-reader.js';
import { ProtocolError } from '../../router/http/protocol-error.js';
import { type Arrived, answer, chunk, lastChunk, scriptedEngine, sseHead, subnet, until } from './support.js';

const ip = subnet('engine-client')(1);

t.test('a chunked body', (t) => {
  const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 });
  const style = fc.record({
    upper: fc.boolean(),
    zeros: fc.nat({ max: 3 }),
    extension: fc.constantFrom('', ';a=b', ';x;y="z z"'),
  });

  t.test('arrives byte for byte, whatever its chunks and wherever the network cuts it', (t) => {
    fc.assert(
      fc.property(
        payloads,
        style,
        fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 40 }),
        fc.boolean(),
        (chunks, how, cuts, trailers) => {
          const wire = encode(chunks, how, trailers);
          const read = readAll(wire, cuts);
          if (!read.done) t.fail('the end is not seen');
          if (!read.payload.equals(Buffer.concat(chunks))) t.fail('payload differs');
          const framed = Buffer.concat([read.framed, Buffer.from('0\r\n\r\n')]);
          if (!readAll(framed, [framed.length]).payload.equals(Buffer.concat(chunks)))
            t.fail('framing is not passed on whole');
        },
      ),
      { numRuns: 3000 },
    );
    t.end();
  });

  t.test('may have chunks larger than what is held back', (t) => {
    const large = Buffer.alloc(300_000, 'x');
    const wire = encode([large, Buffer.from('end')], { upper: false, zeros: 0, extension: '' }, false);
    const read = readAll(wire, [1, 65_536]);
    t.ok(read.payload.equals(Buffer.concat([large, Buffer.from('end')])));
    t.end();
  });

  for (const [what, wire] of [
    ['a size that is no number', 'x\r\nabc\r\n0\r\n\r\n'],
    ['a negative size', '-1\r\n0\r\n\r\n'],
    ['a bare line feed after the size', '3\nabc\r\n0\r\n\r\n'],
    ['a chunk longer than its size', '3\r\nabcd\r\n0\r\n\r\n'],
    ['a size of seventeen digits', '11111111111111111\r\nabc'],
    ['bytes after the end', '3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK'],
    ['an endless extension', `3;${'x'.repeat(1000)}`],
  ] as const) {
    t.test(`is refused with ${what}`, (t) => {
      t.throws(() => readAll(Buffer.from(wire), [1000]), { name: 'ProtocolError' });
      t.end();
    });
  }
  t.end();
});

t.test('a response head', (t) => {
  t.test('keeps headers as written, without those of the connection', (t) => {
    const head = parseHead(
      'HTTP/1.1 200 OK\r\nDate: x\r\nX-Own:  a b \r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream; charset=utf-8\r\n',
    );
    t.equal(head.headers, 'Date: x\r\nX-Own: a b\r\nContent-Type: text/event-stream; charset=utf-8\r\n');
    t.match(head, { status: 200, framing: { by: 'chunks' }, reusable: true, contentType: 'text/event-stream' });
    t.end();
  });
  for (const [what, text] of [
    ['no status line', 'hello'],
    ['another protocol', 'HTTP/2 200 OK'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 5'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c'],
    ['a bare line feed', 'HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5'],
    ['a NUL', 'HTTP/1.1 200 OK\r\nA: b\0'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6'],
    ['a length beside chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked'],
    ['a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +5'],
    ['an unknown transfer coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked'],
  ] as const) {
    t.test(`is refused with ${what}`, (t) => {
      t.throws(() => parseHead(`${text}\r\n`), { name: 'ProtocolError' });
      t.end();
    });
  }
  t.end();
});

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

interface Asked {
  readonly again?: boolean;
  readonly tls?: boolean;
  readonly connect?: number;
  readonly head?: number;
  readonly idle?: number;
  readonly body?: readonly string[];
  readonly signal?: AbortSignal;
  /** Asks for a pause with every stretch of body, as a relay whose client is behind does. */
  readonly pauses?: boolean;
  readonly onCall?: (call: Call) => void;
}

function call(
  pool: EnginePool,
  port: number,
  {
    again = true,
    tls = false,
    connect = 2000,
    head = 5000,
    idle = 5000,
    body = ['{}'],
    signal,
    pauses = false,
    onCall,
  }: Asked = {},
) {
  return new Promise<{ status?: number; body?: string; failure?: EngineFailure }>((resolve) => {
    let seen: ResponseHead | undefined;
    const parts: Buffer[] = [];
    const exchange: Exchange = {
      onHead: (head) => {
        seen = head;
      },
      onBody: (bytes, from, to) => {
        parts.push(Buffer.from(bytes.subarray(from, to)));
        if (pauses) call.pause();
      },
      onEnd: () => resolve({ status: seen?.status ?? 0, body: Buffer.concat(parts).toString() }),
      onFailure: (failure) => resolve({ failure }),
    };
    const buffers = body.map((part) => Buffer.from(part));
    const length = buffers.reduce((sum, part) => sum + part.length, 0);
    const request: EngineRequest = {
      deadlines: { connect, head, idle },
      writeTo(socket, sent) {
        socket.write(`POST / HTTP/1.1\r\ncontent-length: ${length}\r\n\r\n`);
        socket.write(Buffer.concat(buffers), sent);
      },
    };
    const call = pool.request({ ip, port, tls }, request, exchange, again);
    onCall?.(call);
    signal?.addEventListener('abort', () => call.abort('told to'));
  });
}

async function poolOf(t: Test, options: Partial<PoolOptions> = {}): Promise<EnginePool> {
  const pool = new EnginePool({ keepAliveMs: 4000, maxFree: 8, ...options });
  t.teardown(() => pool.close());
  return pool;
}

async function closedPort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function encode(
  chunks: readonly Uint8Array[],
  how: { upper: boolean; zeros: number; extension: string },
  trailers: boolean,
): Buffer {
  const parts = chunks.flatMap((payload) => {
    const hex = payload.length.toString(16);
    const size = `${'0'.repeat(how.zeros)}${how.upper ? hex.toUpperCase() : hex}${how.extension}\r\n`;
    return [Buffer.from(size), Buffer.from(payload), Buffer.from('\r\n')];
  });
  return Buffer.concat([...parts, Buffer.from(trailers ? '0\r\nx-sum: 1\r\ny: 2\r\n\r\n' : '0\r\n\r\n')]);
}

function readAll(wire: Buffer, cuts: readonly number[]) {
  const reader = new ChunkedReader();
  const payloads: Buffer[] = [];
  const frames: Buffer[] = [];
  let done = false;
  let at = 0;
  for (let i = 0; at < wire.length; i += 1) {
    const size = Math.max(1, cuts[i % cuts.length] ?? 1);
    done = reader.push(wire.subarray(at, at + size), (bytes, from, to, framedFrom, framedTo) => {
      payloads.push(Buffer.from(bytes.subarray(from, to)));
      frames.push(Buffer.from(bytes.subarray(framedFrom, framedTo)));
    });
    if (done && reader.rest.length > 0) throw new ProtocolError('bytes after the end');
    at += size;
  }
  return { payload: Buffer.concat(payloads), framed: Buffer.concat(frames), done };
}

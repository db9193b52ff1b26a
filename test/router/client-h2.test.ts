/** Clients that speak HTTP/2 over TLS: each stream is a request like any other, and its end is told as HTTP/2 tells it. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import { h2Head, h2Headers } from '../../router/client/h2-head.js';
import type { Limits } from '../../router/limits.js';
import { labels } from '../../src/api/names.js';
import { authority, filesOf } from './certificates.js';
import { type RouterLab, routerLab, serverOf } from './lab.js';
import {
  answer,
  chunk,
  completion,
  event,
  flood,
  lastChunk,
  type Script,
  scriptedEngine,
  sseHead,
  subnet,
  token,
  until,
} from './support.js';

const ip = subnet('client-h2')(1);
const ask = { model: 'tiny', messages: [{ role: 'user', content: 'Hello' }] };
const ok: Script = ({ socket }) => void socket.write(answer(200, completion('hello')));
const certificates = (async () => {
  const { ca, issue } = await authority();
  return { ca, ...(await issue('router.example', '127.0.0.1')) };
})();

async function scene(t: Test, script: Script, limits: Partial<Limits> = {}) {
  const { ca, cert, key } = await certificates;
  const tls = await filesOf(t, { cert, key });
  const engine = await scriptedEngine(t, ip, 0, script);
  const server = serverOf(engine.port, { workloadSelector: { matchLabels: { [labels.name]: 'm' } } });
  const lab = await routerLab(t, { pods: [{ name: 'w0', ip }], server, limits, more: { tls } });
  const open = () => {
    const session = connect(`https://127.0.0.1:${lab.port}`, { ca, settings: { initialWindowSize: 100_000 } });
    session.on('error', () => undefined);
    t.teardown(() => session.destroy());
    return session;
  };
  return { engine, lab, open };
}

interface Answered {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
  /** The code that the stream was closed with. */
  readonly code: number;
}

const heading = { ':method': 'POST', ':path': '/v1/chat/completions', 'content-type': 'application/json' };

function post(session: ClientHttp2Session, body: string | Buffer, more: object = {}): ClientHttp2Stream {
  const stream = session.request({ ...heading, ...more });
  stream.end(body);
  return stream;
}

function answered(stream: ClientHttp2Stream): Promise<Answered> {
  return new Promise((resolve) => {
    let headers: Record<string, unknown> = {};
    const parts: Buffer[] = [];
    stream.on('response', (got) => {
      headers = got;
    });
    stream.on('data', (part: Buffer) => void parts.push(part));
    stream.on('error', () => undefined);
    stream.on('close', () => {
      const text = Buffer.concat(parts).toString();
      resolve({ status: Number(headers[':status'] ?? 0), headers, text, code: stream.rstCode ?? 0 });
    });
  });
}

const closed = (session: ClientHttp2Session): Promise<void> =>
  new Promise((resolve) => session.once('close', () => resolve()));

async function stopped({ running, metrics }: RouterLab, t: Test): Promise<void> {
  await running.stop();
  t.match(await metrics.render(), /tandem_router_client_connections 0/);
}

t.test('a request over HTTP/2', async (t) => {
  t.test('reaches the engine as HTTP/1.1, and its answer comes back whole', async (t) => {
    const { engine, lab, open } = await scene(t, ok);
    const session = open();
    const more = { 'x-request-id': 'h2-1', authorization: 'Bearer k', te: 'trailers', cookie: ['a=1', 'b=2'] };
    const { status, headers, text, code } = await answered(post(session, JSON.stringify(ask), more));
    t.same([status, text, code], [200, completion('hello'), 0]);
    t.match(headers, { 'x-request-id': 'h2-1', 'x-tandem-pair': 'w0', 'content-type': 'application/json' });
    t.equal(headers['content-length'], String(text.length));
    const [{ head, body } = { head: '', body: '' }] = engine.requests;
    t.equal(body, JSON.stringify(ask));
    t.match(head, /^POST \/v1\/chat\/completions HTTP\/1\.1\r\n/);
    t.match(head, /authorization: Bearer k\r\n/);
    t.match(head, /cookie: a=1; b=2\r\n/);
    t.notMatch(head, /^(te|:|connection)/im);
    session.close();
    await stopped(lab, t);
  });

  t.test('shares its connection with many others', async (t) => {
    const { engine, open } = await scene(t, ok);
    const session = open();
    const all = await Promise.all(Array.from({ length: 100 }, () => answered(post(session, JSON.stringify(ask)))));
    t.ok(all.every(({ status }) => status === 200));
    t.equal(engine.requests.length, 100);
  });

  t.test('streams events as they come, without the framing of HTTP/1.1', async (t) => {
    const { engine, open } = await scene(t, ({ socket }) => void socket.write(sseHead + chunk(': hi\n\n')));
    const stream = post(open(), JSON.stringify({ ...ask, stream: true }));
    let text = '';
    stream.on('data', (part: Buffer) => {
      text += part.toString();
    });
    await until(() => text === ': hi\n\n');
    const { socket } = await engine.arrived(0);
    socket.write(event(token('a', 'stop')));
    await until(() => text.includes('"content":"a"'));
    const over = answered(stream);
    socket.write(event('[DONE]') + lastChunk);
    await over;
    t.equal(text, `: hi\n\ndata: ${JSON.stringify(token('a', 'stop'))}\n\ndata: [DONE]\n\n`);
  });

  t.test('may be large, and come without a length', async (t) => {
    const { engine, open } = await scene(t, ({ socket, body }) => void socket.write(answer(200, String(body.length))));
    const body = JSON.stringify({ ...ask, pad: 'x'.repeat(5_000_000) });
    const { text } = await answered(post(open(), body));
    t.equal(text, String(body.length));
    t.ok(engine.requests[0]?.body === body, 'byte for byte');
  });

  t.test('is answered for HEAD and OPTIONS and unknown paths without a body or with an error', async (t) => {
    const { open } = await scene(t, ok);
    const session = open();
    const asked = (method: string, path: string) =>
      answered(session.request({ ':method': method, ':path': path }).end());
    t.match(await asked('HEAD', '/v1/models'), { status: 200, text: '', code: 0 });
    t.match(await asked('GET', '/v1/models'), { status: 200, text: /"tiny"/ });
    t.match(await asked('OPTIONS', '/v1/models'), { status: 204, text: '' });
    t.match(await asked('GET', '/nowhere'), { status: 404, text: /unknown-path/ });
    t.match(await asked('BREW', '/v1/models'), { status: 400, text: /bad-http/ });
    t.match(await asked('GET', '/healthz'), { status: 200, text: 'ok\n' });
  });

  t.test('that expects to be told to go on is', async (t) => {
    const { open } = await scene(t, ok);
    const stream = open().request({ ...heading, expect: '100-continue' });
    await new Promise<void>((resolve) => stream.once('continue', () => resolve()));
    stream.end(JSON.stringify(ask));
    t.match(await answered(stream), { status: 200 });
  });

  t.test('with more than it may send is refused before it has sent all of it', async (t) => {
    const { engine, lab, open } = await scene(t, ok, { bodyBytes: 100_000, headerBytes: 8192 });
    const session = open();
    const declared = session.request({ ...heading, 'content-length': '100001' });
    t.match(await answered(declared), { status: 413, text: /body-too-large/, code: 0 });
    const endless = session.request(heading);
    endless.write('x'.repeat(150_000));
    t.match(await answered(endless), { status: 413, text: /body-too-large/, code: 0 });
    const heavy = session.request({ ...heading, 'x-long': 'x'.repeat(10_000) });
    t.match(await answered(heavy), { status: 0, code: constants.NGHTTP2_ENHANCE_YOUR_CALM });
    t.match(await answered(post(session, JSON.stringify(ask))), { status: 200 }, 'the connection goes on');
    t.equal(engine.requests.length, 1);
    session.close();
    await stopped(lab, t);
  });

  t.test('that stops in the middle of its body ends after a while', async (t) => {
    const { open } = await scene(t, ok, { requestMs: 200 });
    const stream = open().request(heading);
    stream.write('{"model"');
    t.match(await answered(stream), { status: 408, text: /request-timeout/, code: 0 });
  });
});

t.test('an answer over HTTP/2', async (t) => {
  for (const [what, framing] of [
    ['with a length', 'content-length: 3000000\r\n\r\n'],
    ['in chunks', 'transfer-encoding: chunked\r\n\r\n2dc6c0\r\n'],
  ]) {
    t.test(`${what} that the engine breaks off is reset, and never ends as a whole one does`, async (t) => {
      const big = 'x'.repeat(2_000_000);
      const { open } = await scene(
        t,
        ({ socket }) => void socket.write(`HTTP/1.1 200 OK\r\n${framing}${big}`, () => void socket.end()),
      );
      const stream = post(open(), JSON.stringify(ask));
      stream.on('end', () => t.fail('it has ended'));
      const { status, code } = await answered(stream);
      t.same([status, code], [200, constants.NGHTTP2_INTERNAL_ERROR]);
    });
  }

  t.test('ends at the engine when the client resets its stream, and others go on', async (t) => {
    const { engine, lab, open } = await scene(t, ({ socket }) => void socket.write(sseHead + event(token('a'))));
    const session = open();
    const leaving = post(session, JSON.stringify({ ...ask, stream: true }), { 'x-request-id': 'gone' });
    const staying = post(session, JSON.stringify({ ...ask, stream: true }));
    await new Promise((resolve) => leaving.once('data', resolve));
    const kept = answered(staying);
    leaving.close(constants.NGHTTP2_CANCEL);
    t.match(await lab.logged('gone'), { ended: 'client-left', status: 200 });
    const left = engine.requests.findIndex(({ head }) => head.includes('gone'));
    await engine.requests[left]?.gone;
    engine.requests[1 - left]?.socket.write(event('[DONE]') + lastChunk);
    t.match(await kept, { status: 200, text: /\[DONE\]/, code: 0 });
  });

  t.test('takes whatever headers an engine gives', async (t) => {
    const odd =
      'http2-settings: a\r\nte: gzip\r\ndate: x\r\nlocation: /a\r\nlocation: /b\r\n__proto__: c\r\nconstructor: d\r\n';
    const { open } = await scene(
      t,
      ({ socket }) => void socket.write(answer(200, completion('hello'), `${odd}x-high: \xe9\r\n`)),
    );
    const { status, headers } = await answered(post(open(), JSON.stringify(ask)));
    t.equal(status, 200);
    t.match(headers, { location: '/a, /b', constructor: 'd' });
  });

  t.test('is given up in the middle of its request when the client resets that', async (t) => {
    const { engine, lab, open } = await scene(t, ok);
    const stream = open().request({ ...heading, 'x-request-id': 'half' });
    stream.write(JSON.stringify(ask));
    await until(() => stream.writableLength === 0);
    stream.close(constants.NGHTTP2_NO_ERROR);
    t.match(await lab.logged('half'), { ended: 'client-left', status: 499 });
    t.equal(engine.requests.length, 0, 'what is not whole goes to no engine');
  });

  t.test('waits for a slow client, which is given up in the end', async (t) => {
    const { engine, lab, open } = await scene(t, flood, { slowClientMs: 300 });
    const slow = post(open(), JSON.stringify({ ...ask, stream: true }), { 'x-request-id': 'slow' });
    const over = new Promise((resolve) => slow.once('error', resolve));
    await new Promise((resolve) => slow.once('response', resolve));
    slow.pause();
    const { socket, gone } = await engine.arrived(0);
    await gone;
    t.ok(socket.bytesWritten < 20_000_000, `the engine was slowed down after ${socket.bytesWritten} bytes`);
    t.match(await lab.logged('slow'), { status: 200 });
    slow.resume();
    t.match(await over, { code: 'ERR_HTTP2_STREAM_ERROR' });
    t.equal(slow.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
  });
});

t.test('stopping', async (t) => {
  t.test('lets open streams end, and says goodbye to the connection', async (t) => {
    const { engine, lab, open } = await scene(t, ({ socket }) => void socket.write(sseHead + event(token('a'))));
    const session = open();
    const stream = post(session, JSON.stringify({ ...ask, stream: true }));
    await new Promise((resolve) => stream.once('data', resolve));
    const goodbye = new Promise((resolve) => session.once('goaway', resolve));
    const over = closed(session);
    const stopping = lab.running.stop();
    await goodbye;
    const whole = answered(stream);
    (await engine.arrived(0)).socket.write(event('[DONE]') + lastChunk);
    t.match(await whole, { text: /\[DONE\]/, code: 0 });
    await Promise.all([stopping, over]);
  });

  t.test('ends idle connections at once, and so does their time limit', async (t) => {
    const { lab, open } = await scene(t, ok);
    const session = open();
    await answered(post(session, JSON.stringify(ask)));
    const over = closed(session);
    await lab.running.stop();
    await over;
    const { open: again, lab: other } = await scene(t, ok, { keepAliveMs: 100, requestMs: 100 });
    const idle = again();
    await answered(post(idle, JSON.stringify(ask)));
    await closed(idle);
    await stopped(other, t);
  });
});

t.test('bytes that are no HTTP/2 end the connection', async (t) => {
  const { ca } = await certificates;
  const { lab } = await scene(t, ok);
  const socket = connectTls({ port: lab.port, host: '127.0.0.1', ca, ALPNProtocols: ['h2'] });
  socket.on('error', () => undefined);
  const over = new Promise((resolve) => socket.once('close', resolve));
  socket.resume();
  socket.write('GET / HTTP/1.1\r\nhost: r\r\n\r\n');
  await over;
  await stopped(lab, t);
});

t.test('what HTTP/2 can say and HTTP/1.1 cannot', (t) => {
  const pseudo = [':method', 'POST', ':path', '/v1/x?a=b', ':scheme', 'https', ':authority', 'r'];
  t.match(h2Head([...pseudo, 'a', 'b'], true), {
    target: '/v1/x?a=b',
    path: '/v1/x',
    fields: [{ name: 'a', value: 'b' }],
    framing: { by: 'chunks' },
  });
  t.match(h2Head([...pseudo, 'content-length', '7'], true), { framing: { by: 'length', bytes: 7 } });
  for (const [what, raw] of [
    ['a space in the path', [':method', 'GET', ':path', '/a HTTP/1.1']],
    ['a line end in the path', [':method', 'GET', ':path', '/a\r\nb: c']],
    ['a line end in a value', [...pseudo, 'a', 'b\r\nc: d']],
    ['a line end in a cookie', [...pseudo, 'cookie', 'b\nc: d']],
    ['a colon in a name', [...pseudo, 'a:b', 'c']],
    ['a length that is none', [...pseudo, 'content-length', '1, 1']],
    ['no path', [':method', 'GET']],
  ] as const) {
    t.throws(() => h2Head(raw, true), { code: 'bad-http' }, what);
  }
  t.throws(() => h2Head([':method', 'CONNECT', ':path', 'a:1'], true), { code: 'no-tunnel' });
  t.end();
});

t.test('header lines of an engine as HTTP/2 says them', (t) => {
  const block = 'A: 1\r\nSet-Cookie: a\r\na: 2\r\nset-cookie: b\r\nConnection: x\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n';
  t.same(h2Headers(200, block), { ':status': 200, a: '1, 2', 'set-cookie': ['a', 'b'] });
  t.same(h2Headers(200, 'HTTP2-Settings: x\r\nTE: gzip\r\nConstructor: y\r\n'), { ':status': 200, constructor: 'y' });
  t.end();
});

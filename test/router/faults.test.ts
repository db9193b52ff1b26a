/** Whatever breaks, and whenever: the outcome is right, and no socket, timer, place or request is left over. */
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { ask, decodeOk, first, prefillOk, request, type Scene, scene } from './pair-scene.js';
import { type Arrived, answer, connectClient, event, post, type Script, sseHead, token, until } from './support.js';

/** What keeps this process alive: sockets, servers and timers. */
const handles = (): string =>
  process
    .getActiveResourcesInfo()
    .filter((name) => /TCP|Timeout|Immediate/.test(name))
    .sort()
    .join(' ');

/** Waits until the router itself says so. */
const gauge = async (lab: Scene['lab'], name: string, value: number): Promise<void> => {
  while (!(await lab.metrics.render()).includes(`tandem_router_${name} ${value}\n`))
    await new Promise((resolve) => setImmediate(resolve));
};

/** Stops everything, and waits until all is as it was before. */
async function nothingIsLeft(t: Test, { lab, p, d }: Scene, before: string): Promise<void> {
  await lab.running.stop();
  for (const what of ['requests_in_flight', 'engine_connections', 'client_connections']) await gauge(lab, what, 0);
  await Promise.all([...p, ...d].map((engine) => engine.close()));
  await until(() => handles() === before);
  t.equal(handles(), before);
}

const stream = { ...ask, stream: true };
const begun: Script = ({ socket }) => void socket.write(sseHead + event(token('a')));
const after = (bytes: string, then: (socket: Arrived['socket']) => void): Script => {
  return ({ socket }) => void socket.write(bytes, () => setImmediate(() => then(socket)));
};

const engineFaults: readonly (readonly [string, Script, object, number, RegExp])[] = [
  ['resets before its answer', ({ socket }) => void socket.resetAndDestroy(), ask, 502, /engine-unreachable/],
  ['closes its side before its answer', ({ socket }) => void socket.end(), ask, 502, /engine-unreachable/],
  ['resets in its stream', after(sseHead + event(token('a')), (s) => void s.resetAndDestroy()), stream, 200, /"error"/],
  ['closes its side in its stream', after(sseHead + event(token('a')), (s) => void s.end()), stream, 200, /"error"/],
  ['cuts a chunk', after(`${sseHead}${event(token('a'))}40\r\ndata`, (s) => void s.end()), stream, 200, /"error"/],
  ['sends less than its length', ({ socket }) => void socket.end(answer(200, '{}').slice(0, -1)), ask, 502, /unreach/],
  ['sends more than its length', ({ socket }) => void socket.write(`${answer(200, '{}')}x`), ask, 502, /unreach/],
  ['is silent after its head', ({ socket }) => void socket.write(answer(200, '{}').slice(0, -2)), ask, 504, /timeout/],
  ['is silent in its stream', begun, stream, 200, /"error"/],
];

for (const [what, script, body, status, says] of engineFaults) {
  t.test(`a decode engine that ${what}`, async (t) => {
    const before = handles();
    const s = await scene(t, { prefill: [prefillOk], decode: [script], limits: { idleMs: 100, attempts: 1 } });
    t.match(await request(s.lab, body), { status, text: says });
    await nothingIsLeft(t, s, before);
  });
}

t.test('an engine that answers before it has the whole request', async (t) => {
  const before = handles();
  const s = await scene(t, { prefill: [prefillOk], decode: [decodeOk], limits: { attempts: 1 } });
  const early: { bytes: number } = { bytes: 0 };
  const [engine] = s.p;
  const large = { ...ask, messages: [{ role: 'user', content: 'x'.repeat(30_000_000) }] };
  if (engine)
    engine.onBytes = (bytes) => {
      early.bytes += bytes.length;
    };
  // The engine reads no further than its answer: what is not sent by then never will be.
  const refuse = new Promise<void>((resolve) => {
    if (!engine) return;
    engine.onConnection = (socket) => {
      socket.once('data', () => {
        socket.pause();
        socket.write(answer(413, '{"error":{"message":"too long"}}'));
        resolve();
      });
    };
  });
  const answered = request(s.lab, large);
  await refuse;
  t.match(await answered, { status: 413, text: /too long/ });
  t.ok(early.bytes < 30_000_000, `the engine was sent ${early.bytes} bytes`);
  t.equal(s.d[0]?.requests.length, 0);
  await nothingIsLeft(t, s, before);
});

t.test('an engine that closes its idle connection as the next request comes', async (t) => {
  const before = handles();
  const s = await scene(t, {
    prefill: [
      (arrived, index) => {
        if (index === 1) arrived.socket.destroy();
        else void prefillOk(arrived, index);
      },
    ],
    decode: [decodeOk],
  });
  t.match(await request(s.lab), { status: 200 });
  t.match(await request(s.lab), { status: 200 }, 'the request goes out again on a new connection');
  t.equal(s.p[0]?.requests.length, 3);
  await nothingIsLeft(t, s, before);
});

t.test('a client that waits to be told before it sends its body', async (t) => {
  const before = handles();
  const s = await scene(t, { prefill: [prefillOk], decode: [decodeOk], limits: { bodyBytes: 1000 } });
  const whole = post(ask, 'expect: 100-continue\r\nconnection: close\r\n');
  const headEnd = whole.indexOf('\r\n\r\n') + 4;
  const socket = connect(s.lab.port, '127.0.0.1');
  let text = '';
  socket.on('data', (more: Buffer) => {
    text += more.toString();
  });
  const ended = new Promise((resolve) => socket.on('close', resolve));
  socket.write(whole.slice(0, headEnd));
  await until(() => text === 'HTTP/1.1 100 Continue\r\n\r\n');
  t.equal(s.asked(), '', 'no engine hears of it before');
  socket.write(whole.slice(headEnd));
  await ended;
  t.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);

  const tooLarge = connectClient(
    s.lab.port,
    whole.slice(0, headEnd).replace(/content-length: \d+/, 'content-length: 1001'),
  );
  await tooLarge.ended;
  t.match(tooLarge.text(), /^HTTP\/1\.1 413 /, 'nor is a body asked for that is too large');
  await nothingIsLeft(t, s, before);
});

const silent: Script = () => undefined;
const half = post(stream).slice(0, -5);
const stages: readonly (readonly [
  string,
  string,
  Partial<Record<'prefill' | 'decode', Script>>,
  (s: Scene) => Promise<unknown>,
])[] = [
  ['with nothing said', '', {}, ({ lab }) => connections(lab, 1)],
  ['in the middle of a head', 'POST /v1/chat', {}, ({ lab }) => connections(lab, 1)],
  ['in the middle of a body', half, {}, ({ lab }) => inFlight(lab, 1)],
  ['while prefill is silent', post(stream), { prefill: silent }, ({ p }) => first(p)],
  ['while decode is silent', post(stream), { decode: silent }, ({ d }) => first(d)],
  ['in the middle of a stream', post(stream), { decode: begun }, ({ d }) => first(d)],
];

const connections = (lab: Scene['lab'], value: number) => gauge(lab, 'client_connections', value);
const inFlight = (lab: Scene['lab'], value: number) => gauge(lab, 'requests_in_flight', value);

for (const [when, bytes, { prefill = prefillOk, decode = decodeOk }, reached] of stages) {
  t.test(`a client that goes away ${when}`, async (t) => {
    const before = handles();
    const s = await scene(t, { prefill: [prefill], decode: [decode] });
    const client = connectClient(s.lab.port, bytes);
    await reached(s);
    client.leave();
    await connections(s.lab, 0);
    await inFlight(s.lab, 0);
    await nothingIsLeft(t, s, before);
  });
}

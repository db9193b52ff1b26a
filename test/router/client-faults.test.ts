/** Clients and engines that keep neither time nor measure, on real sockets; nothing stays open after them. */
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Limits } from '../../router/limits.js';
import { labels } from '../../src/api/names.js';
import { fuzzing } from './fuzz-support.js';
import { routerLab, serverOf } from './lab.js';
import {
  answer,
  completion,
  post,
  type Script,
  type ScriptedEngine,
  scriptedEngine,
  subnet,
  until,
} from './support.js';

const ip = subnet('client-faults')(1);
const ask = { model: 'tiny', messages: [{ role: 'user', content: 'Hello' }], stream: true };
const ok: Script = ({ socket }) => void socket.write(answer(200, completion('hello')));

async function scene(t: Test, script: Script, limits: Partial<Limits> = {}) {
  const engine = await scriptedEngine(t, ip, 0, script);
  const server = serverOf(engine.port, { workloadSelector: { matchLabels: { [labels.name]: 'm' } } });
  const lab = await routerLab(t, { pods: [{ name: 'w0', ip }], server, limits });
  return { engine, lab };
}

/** Everything that comes back by the time the router ends the connection; this side stays open as long as it can. */
function talk(port: number, bytes: string, allowHalfOpen = false): { socket: Socket; text: Promise<string> } {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen });
  const text = new Promise<string>((resolve) => {
    let all = '';
    socket.on('data', (more: Buffer) => {
      all += more.toString('latin1');
    });
    socket.on('error', () => undefined);
    // Only writing tells a side that is open whether the other end is still there.
    const probe = setInterval(() => void (socket.readableEnded && socket.write('x')), 50);
    socket.on('close', () => {
      clearInterval(probe);
      resolve(all);
    });
  });
  socket.write(bytes);
  return { socket, text };
}

async function nothingIsLeft(t: Test, { stop }: { stop: () => Promise<void> }, engine: ScriptedEngine): Promise<void> {
  await stop();
  await until(() => engine.connections() === 0);
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout');
  t.ok(timers.length <= 1, `only tap's own timer runs: ${timers.length}`);
}

t.test('a stream of events arrives byte for byte, wherever it is cut and however slowly it is read', async (t) => {
  let next: readonly Buffer[] = [];
  const { engine, lab } = await scene(t, async ({ socket }) => {
    for (const piece of next) {
      await new Promise((resolve) => socket.write(piece, resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
  });
  const chunks = fc.array(fc.oneof(fc.string({ minLength: 1, maxLength: 80 }), fc.constant('x'.repeat(90_000))), {
    minLength: 1,
    maxLength: 8,
  });
  const cuts = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(chunks, cuts, fc.nat({ max: 3 }), async (payloads, sizes, pauses) => {
      const framed = payloads
        .map((text) => `data: ${JSON.stringify(text)}\n\n`)
        .map((text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
        .join('');
      const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
      next = cut(Buffer.from(`${head}${framed}0\r\n\r\n`), sizes);
      const { socket, text } = talk(lab.port, post(ask, 'connection: close\r\n'));
      for (let i = 0; i < pauses; i += 1) {
        socket.pause();
        for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        socket.resume();
      }
      const got = (await text).split('\r\n\r\n').slice(1).join('\r\n\r\n');
      if (got !== Buffer.from(`${framed}0\r\n\r\n`).toString('latin1')) throw new Error('other bytes arrived');
    }),
    fuzzing(8_150_023, 100),
  );
  await nothingIsLeft(t, lab.running, engine);
});

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = Math.max(sizes[i % sizes.length] ?? 1, Math.floor(bytes.length / 500));
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

t.test('a client that is too slow', async (t) => {
  const whole = post(ask);
  for (const [what, bytes] of [
    ['with its first byte', ''],
    ['in its head', whole.slice(0, 40)],
    ['in its body', whole.slice(0, -5)],
  ] as const) {
    t.test(`${what} is told so, and calls no engine`, async (t) => {
      const { engine, lab } = await scene(t, ok, { requestMs: 100 });
      const { text } = talk(lab.port, bytes);
      t.match(await text, /^HTTP\/1\.1 408 /);
      t.equal(engine.requests.length, 0);
      await nothingIsLeft(t, lab.running, engine);
    });
  }
});

t.test('a refused client that keeps its side open is cut off', async (t) => {
  const { engine, lab } = await scene(t, ok);
  t.match(await talk(lab.port, 'POST / HTTP/1.1\r\nA : b\r\n\r\n', true).text, /^HTTP\/1\.1 400 /);
  await nothingIsLeft(t, lab.running, engine);
});

t.test('bodies that arrive at once and are together too large', async (t) => {
  const { engine, lab } = await scene(t, ok, { bodyBytesInFlight: 1000 });
  const head = 'POST /v1/chat/completions HTTP/1.1\r\nhost: r\r\ntransfer-encoding: chunked\r\n';
  const { text } = talk(lab.port, `${head}\r\n7d0\r\n${'x'.repeat(2000)}\r\n`);
  t.match(await text, /^HTTP\/1\.1 503 [\s\S]*retry-after: 1[\s\S]*"overloaded"/);
  const after = talk(lab.port, post(ask, 'connection: close\r\n'));
  t.match(await after.text, /^HTTP\/1\.1 200 /, 'and give their room back');
  await nothingIsLeft(t, lab.running, engine);
});

t.test('a client with too many connections is refused on the next one, until it closes one', async (t) => {
  const { engine, lab } = await scene(t, ok, { connectionsPerClient: 2 });
  const first = talk(lab.port, post(ask));
  const second = talk(lab.port, post(ask));
  await until(() => engine.requests.length === 2);
  const third = await talk(lab.port, post(ask)).text;
  t.match(third, /^HTTP\/1\.1 429 [\s\S]*retry-after: 1[\s\S]*"too-many-connections"/);
  t.equal(engine.requests.length, 2, 'no engine hears of it');
  first.socket.end();
  await first.text;
  t.match(await talk(lab.port, post(ask, 'connection: close\r\n')).text, /^HTTP\/1\.1 200 /);
  second.socket.destroy();
  await nothingIsLeft(t, lab.running, engine);
});

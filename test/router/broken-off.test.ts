/** Answers that break off reach no client as whole ones, also where nothing but the end of the connection ends an answer. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import type { Limits } from '../../router/limits.js';
import { labels } from '../../src/api/names.js';
import { authority, filesOf } from './certificates.js';
import { routerLab, serverOf } from './lab.js';
import { type Script, scriptedEngine, subnet } from './support.js';

const ip = subnet('broken-off')(1);
const body = '{"model":"tiny","prompt":"Hello"}';
const asked = `POST /v1/completions HTTP/1.0\r\nhost: r\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const large = 'x'.repeat(2_000_000);
const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
const chunk = `${large.length.toString(16)}\r\n${large}\r\n`;
const whole: Script = ({ socket }) => void socket.write(`${head}${chunk}0\r\n\r\n`);

async function scene(t: Test, script: Script, secure: boolean, limits: Partial<Limits> = {}) {
  const { ca, issue } = await authority();
  const tls = await filesOf(t, await issue('127.0.0.1'));
  const engine = await scriptedEngine(t, ip, 0, script);
  const server = serverOf(engine.port, { workloadSelector: { matchLabels: { [labels.name]: 'm' } } });
  const lab = await routerLab(t, { pods: [{ name: 'w0', ip }], server, limits, more: secure ? { tls } : {} });
  const to = { port: lab.port, host: '127.0.0.1' };
  const socket = secure ? connectTls({ ...to, ca }) : connect(to);
  t.teardown(() => socket.destroy());
  socket.write(asked);
  return { engine, lab, socket };
}

/** How the connection ends: `end`, or the code of an error. */
function ended(socket: Socket): Promise<string> {
  socket.resume();
  return new Promise((resolve) => {
    socket.once('end', () => resolve('end'));
    socket.once('error', ({ code = '' }: NodeJS.ErrnoException) => resolve(code));
  });
}

/** Resolves when so many bytes have come. */
function received(socket: Socket, bytes: number): Promise<void> {
  let size = 0;
  return new Promise((resolve) => {
    socket.on('data', (more: Buffer) => {
      size += more.length;
      if (size >= bytes) resolve();
    });
  });
}

for (const secure of [false, true]) {
  t.test(`a client of HTTP/1.0 ${secure ? 'over TLS' : 'in cleartext'}`, async (t) => {
    t.test('sees the end of a whole answer', async (t) => {
      const { socket } = await scene(t, whole, secure);
      const all = received(socket, large.length);
      t.equal(await ended(socket), 'end');
      await all;
    });

    t.test('sees a reset where the engine breaks off', async (t) => {
      const { engine, socket } = await scene(t, ({ socket }) => void socket.write(head + chunk), secure);
      await received(socket, large.length);
      (await engine.arrived(0)).socket.end();
      t.equal(await ended(socket), 'ECONNRESET');
    });

    t.test('sees a reset where it has been too slow', async (t) => {
      const endless: Script = ({ socket }) => void socket.write(`${head}${chunk.repeat(20)}0\r\n\r\n`);
      const { lab, socket } = await scene(t, endless, secure, { slowClientMs: 100 });
      await new Promise((resolve) => socket.once('readable', resolve));
      const closed = /client_connections 0\n/;
      while (!closed.test(await lab.metrics.render())) await new Promise((resolve) => setImmediate(resolve));
      // Node reads an end where the last bytes and a reset come together; only a side that was reset cannot write.
      const over = ended(socket);
      socket.pause();
      socket.write('x');
      t.match(await over, /^(ECONNRESET|EPIPE)$/);
    });
  });
}

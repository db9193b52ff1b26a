/** Clients that ask and do not read: what waits for them stays bounded, and they wait for nobody but themselves. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import type { Limits } from '../../router/limits.js';
import { authority, filesOf } from './certificates.js';
import { type RouterLab, routeOf, routerLab, serverOf } from './lab.js';

/** Each list of models is this large, so that a few fill what the kernel holds. */
const name = 'm'.repeat(50_000);
const list = 'GET /v1/models HTTP/1.1\r\nhost: r\r\n\r\n';
const many = 1000;

async function scene(t: Test, limits: Partial<Limits> = {}) {
  const lab = await routerLab(t, { pods: [], server: serverOf(1), route: routeOf(name), limits });
  const socket = connect(lab.port, '127.0.0.1');
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  return { lab, socket };
}

/** Answers that have been given, read or not. */
async function answered({ metrics }: RouterLab): Promise<number> {
  return Number(/requests_total\{model="none",status="200"\} (\d+)/.exec(await metrics.render())?.[1] ?? 0);
}

async function clients({ metrics }: RouterLab): Promise<number> {
  return Number(/client_connections (\d+)/.exec(await metrics.render())?.[1] ?? 0);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Bytes that come in until the router ends the connection. */
function received(socket: Socket): Promise<number> {
  return new Promise((resolve) => {
    let size = 0;
    socket.on('data', (more: Buffer) => {
      size += more.length;
    });
    socket.on('close', () => resolve(size));
  });
}

t.test('a client that asks over and over and reads nothing', async (t) => {
  t.test('gets no further answers, and is given up, when it asks for all at once', async (t) => {
    const { lab, socket } = await scene(t, { slowClientMs: 200 });
    socket.write(list.repeat(many));
    while ((await clients(lab)) === 0) await turn();
    while ((await clients(lab)) > 0 && (await answered(lab)) < many) await turn();
    t.ok((await answered(lab)) < many, `${await answered(lab)} answers`);
  });

  t.test('gets no further answers, and is given up, when it asks for one after another', async (t) => {
    const { lab, socket } = await scene(t, { slowClientMs: 200 });
    while ((await clients(lab)) === 0) await turn();
    for (let asked = 1; asked <= many && (await clients(lab)) > 0; asked += 1) {
      socket.write(list);
      while ((await answered(lab)) < asked && (await clients(lab)) > 0) await turn();
    }
    t.ok((await answered(lab)) < many, `${await answered(lab)} answers`);
  });

  t.test('gets all of them when it reads after all', async (t) => {
    const { lab, socket } = await scene(t);
    socket.write(list.repeat(many) + list.replace('host', 'connection: close\r\nhost'));
    while ((await answered(lab)) === 0) await turn();
    t.ok((await received(socket)) > (many + 1) * name.length);
    t.equal(await answered(lab), many + 1);
  });
});

/** One frame of HTTP/2 (RFC 9113 4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Both windows as large as they may be, so that nothing but the connection itself holds answers back. */
function opening(): Buffer {
  const settings = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]);
  const more = Buffer.from([0x7f, 0xfe, 0, 0]);
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  return Buffer.concat([preface, frame(4, 0, 0, settings), frame(8, 0, 0, more)]);
}

/** The same request on its own stream, its header fields written out (RFC 7541 6.2.2). */
function listOn(stream: number): Buffer {
  const fields = { ':method': 'GET', ':path': '/v1/models', ':scheme': 'https', ':authority': 'r' };
  const block = Object.entries(fields).map(([name, value]) =>
    Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]),
  );
  return frame(1, 5, stream, Buffer.concat(block));
}

t.test('a client that opens stream after stream and reads nothing gets no more than fits', async (t) => {
  const { ca, issue } = await authority();
  const tls = await filesOf(t, await issue('127.0.0.1'));
  const limits = { slowClientMs: 200, keepAliveMs: 200 };
  const lab = await routerLab(t, { pods: [], server: serverOf(1), route: routeOf(name), limits, more: { tls } });
  const socket = connectTls({ port: lab.port, host: '127.0.0.1', ca, ALPNProtocols: ['h2'] });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  socket.write(opening());
  for (let i = 0; i < 2000; i += 1) socket.write(listOn(2 * i + 1));
  while ((await answered(lab)) === 0) await turn();
  while ((await clients(lab)) > 0 && (await answered(lab)) < 2000) await turn();
  t.ok((await answered(lab)) < 1000, `${await answered(lab)} answers`);
});

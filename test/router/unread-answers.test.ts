/** Clients that ask and do not read: what waits for them stays bounded, and they wait for nobody but themselves. */
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { Limits } from '../../router/limits.js';
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

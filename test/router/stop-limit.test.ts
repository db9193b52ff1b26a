/** A router whose time to stop has run out: nothing is asked again, and nothing keeps it. */
import { once } from 'node:events';
import { connect as connectH2 } from 'node:http2';
import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import type { EngineRequest } from '../../router/engine/exchange.js';
import type { EngineFailure } from '../../router/engine/failure.js';
import { EnginePool } from '../../router/engine/pool.js';
import type { Limits } from '../../router/limits.js';
import { labels } from '../../src/api/names.js';
import type { ModelServer } from '../../src/api/types.js';
import { authority, filesOf } from './certificates.js';
import { routerLab, serverOf } from './lab.js';
import { ask, decodeOk, scene } from './pair-scene.js';
import { connectClient, post, type Script, scriptedEngine, subnet } from './support.js';

const ip = subnet('stop-limit');
const silent: Script = () => undefined;
const inTime = { drainMs: 50, connectMs: 60_000 };
const all = { matchLabels: { [labels.name]: 'm' } };

/** Two pods that serve whole requests on one port. */
async function plainLab(t: Test, port: number, spec: Partial<ModelServer['spec']> = {}, limits: Partial<Limits> = {}) {
  const pods = [
    { name: 'w0', ip: ip(1) },
    { name: 'w1', ip: ip(2) },
  ];
  const server = serverOf(port, { workloadSelector: all, ...spec });
  return routerLab(t, { pods, server, limits: { ...inTime, ...limits } });
}

t.test('a request that no engine has answered when the time is over', async (t) => {
  const told = /^HTTP\/1\.1 503 [\s\S]*"code":"stopping"/;

  t.test('is sent to no other pair', async (t) => {
    const { lab, p, asked } = await scene(t, { prefill: [silent, silent], decode: [decodeOk], limits: inTime });
    const client = connectClient(lab.port, post(ask, 'x-request-id: pair\r\n'));
    await Promise.race(p.map((engine) => engine.arrived(0)));
    await lab.running.stop();
    await client.ended;
    t.match(client.text(), told);
    t.equal(asked().split(' ').length, 1, asked());
    const { error, ended, legs } = await lab.logged('pair');
    t.match({ error, ended, legs }, { error: 'stopping', ended: 'failed', legs: [{ outcome: 'aborted' }] });
    t.equal((legs as unknown[]).length, 1);
  });

  t.test('is sent to no other pod', async (t) => {
    const first = await scriptedEngine(t, ip(1), 0, silent);
    const second = await scriptedEngine(t, ip(2), first.port, silent);
    const lab = await plainLab(t, first.port);
    const client = connectClient(lab.port, post(ask, 'x-request-id: plain\r\n'));
    await Promise.race([first.arrived(0), second.arrived(0)]);
    await lab.running.stop();
    await client.ended;
    t.match(client.text(), told);
    t.equal(first.requests.length + second.requests.length, 1);
    t.match(await lab.logged('plain'), { error: 'stopping', legs: [{ outcome: 'aborted' }] });
  });

  t.test('keeps nobody when its connection is still being made', async (t) => {
    const engine = await scriptedEngine(t, ip(1), 0, silent);
    const lab = await plainLab(t, engine.port, { workloadPort: { port: engine.port, protocol: 'https' } });
    const connected = new Promise<void>((resolve) => {
      engine.onConnection = () => resolve();
    });
    const client = connectClient(lab.port, post(ask, 'x-request-id: dial\r\n'));
    await connected;
    await lab.running.stop();
    await client.ended;
    t.match(client.text(), told);
    t.match(await lab.logged('dial'), { error: 'stopping', legs: [{ outcome: 'aborted' }] });
  });

  t.test('keeps nobody when its body is still to come, over HTTP/2, from a client that reads nothing', async (t) => {
    const { ca, issue } = await authority();
    const tls = await filesOf(t, await issue('127.0.0.1'));
    const server = serverOf(1, { workloadSelector: all });
    const lab = await routerLab(t, { pods: [], server, limits: inTime, more: { tls } });
    const session = connectH2(`https://127.0.0.1:${lab.port}`, { ca, settings: { initialWindowSize: 0 } });
    session.on('error', () => undefined);
    t.teardown(() => session.destroy());
    const heading = { ':method': 'POST', ':path': '/v1/completions', 'x-request-id': 'half', expect: '100-continue' };
    const stream = session.request(heading);
    stream.on('error', () => undefined);
    await once(stream, 'continue');
    stream.write('{');
    await lab.running.stop();
    t.match(await lab.logged('half'), { error: 'stopping', status: 503 });
  });
});

t.test('a pool that is closed', async (t) => {
  const failure = (pool: EnginePool, port: number, tls: boolean): Promise<EngineFailure> =>
    new Promise((resolve, reject) => {
      const end = () => reject(new Error('it was answered'));
      const exchange = { onHead: end, onBody: end, onEnd: end, onFailure: resolve };
      const request: EngineRequest = {
        deadlines: { connect: 60_000, head: 0, idle: 0 },
        writeTo: (socket, sent) => void socket.write('GET / HTTP/1.1\r\n\r\n', sent),
      };
      pool.request({ ip: ip(3), port, tls }, request, exchange, true);
    });
  const server = createServer().listen(0, ip(3));
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  t.teardown(() => server.close());

  t.test('ends what is still connecting', async (t) => {
    const pool = new EnginePool();
    const over = failure(pool, port, true);
    const [socket] = (await once(server, 'connection')) as [{ resume(): void }];
    socket.resume();
    pool.close();
    t.match(await over, { stage: 'connect', fault: 'aborted' });
  });

  t.test('connects to nobody', async (t) => {
    const pool = new EnginePool();
    pool.close();
    server.once('connection', () => t.fail('it connects'));
    t.match(await failure(pool, port, false), { stage: 'connect', fault: 'aborted' });
  });
});

/** How long a router holds a prompt: as long as another engine may have to be asked, and not while an answer streams. */
import { createServer, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t, { type Test } from 'tap';
import type { Limits } from '../../router/limits.js';
import { labels } from '../../src/api/names.js';
import { routerLab, serverOf } from './lab.js';
import { connectClient, event, post, sseHead, subnet, token } from './support.js';

const ip = subnet('body-room')(1);
const size = 2_000_000;
const ask = post({ model: 'tiny', stream: true, prompt: 'x'.repeat(size) });
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** An engine that keeps nothing of what it is sent, and begins to answer at its end. */
async function forgetfulEngine(t: Test): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      if (bytes.at(-1) === 0x7d) socket.write(sseHead + event(token('a')));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, sockets };
}

async function scene(t: Test, limits: Partial<Limits> = {}) {
  const { port, sockets } = await forgetfulEngine(t);
  const server = serverOf(port, { workloadSelector: { matchLabels: { [labels.name]: 'm' } } });
  const lab = await routerLab(t, { pods: [{ name: 'w0', ip }], server, limits: { drainMs: 0, ...limits } });
  const stream = async () => {
    const client = connectClient(lab.port, ask);
    t.teardown(() => client.leave());
    await Promise.race([client.received('"content":"a"'), client.received('"overloaded"')]);
    return client.text().split('\r\n', 1)[0];
  };
  return { lab, sockets, stream };
}

t.test('a body gives its room back when its answer begins', async (t) => {
  const { stream } = await scene(t, { bodyBytesInFlight: size * 1.5 });
  t.equal(await stream(), 'HTTP/1.1 200 OK');
  t.equal(await stream(), 'HTTP/1.1 200 OK', 'while the first one is open');
});

t.test('a body leaves the memory when its answer begins', async (t) => {
  const { lab, stream } = await scene(t);
  await stream();
  collect();
  const before = process.memoryUsage().arrayBuffers;
  const many = 20;
  for (let i = 0; i < many; i += 1) await stream();
  collect();
  const { arrayBuffers } = process.memoryUsage();
  t.match(await lab.metrics.render(), /requests_in_flight 21\n/);
  t.ok(arrayBuffers - before < (many * size) / 4, `${arrayBuffers - before} bytes for ${many} open streams`);
});

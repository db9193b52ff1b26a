/** A burst of new connections while a server has other things to do. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import t from 'tap';

const burst = 1000;
const limit = '/proc/sys/net/core/somaxconn';
const allowed = existsSync(limit) ? Number(readFileSync(limit, 'utf8')) : 0;
const skip = allowed < burst && `this kernel keeps at most ${allowed} connections waiting`;

const program = `
  import { createServer } from 'node:net';
  import { listen } from './dist/src/server/listen.js';
  const server = createServer((socket) => socket.end('hello'));
  console.log((await listen(server, { host: '127.0.0.1', port: 0 })).port);
`;

t.test('a thousand clients may wait until a busy server accepts them', { skip }, async (t) => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [port] = await once(createInterface({ input: child.stdout }), 'line');
  child.kill('SIGSTOP');
  const clients: Socket[] = [];
  t.teardown(() => clients.forEach((client) => void client.destroy()));
  for (let i = 0; i < burst; i += 1) clients.push(connect({ host: '127.0.0.1', port: Number(port) }));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  const greetings = Promise.all(clients.map((client) => once(client, 'data')));
  child.kill('SIGCONT');
  t.equal((await greetings).filter(([bytes]) => String(bytes) === 'hello').length, burst);
});

/** Clients that speak TLS: HTTP/1.1 as in cleartext, certificates that change while it serves, and who is turned away. */
import { rename, writeFile } from 'node:fs/promises';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import type { ServingFiles } from '../../router/client/serving-certificate.js';
import type { Limits } from '../../router/limits.js';
import { labels } from '../../src/api/names.js';
import { authority, filesOf } from './certificates.js';
import { routerLab, serverOf } from './lab.js';
import { answer, completion, post, type Script, scriptedEngine, subnet, until } from './support.js';

const ip = subnet('client-tls')(1);
const ask = { model: 'tiny', messages: [{ role: 'user', content: 'Hello' }] };
const ok: Script = ({ socket }) => void socket.write(answer(200, completion('hello')));

async function scene(t: Test, tls: ServingFiles, limits: Partial<Limits> = {}) {
  const engine = await scriptedEngine(t, ip, 0, ok);
  const server = serverOf(engine.port, { workloadSelector: { matchLabels: { [labels.name]: 'm' } } });
  const lab = await routerLab(t, { pods: [{ name: 'w0', ip }], server, limits, more: { tls } });
  return { engine, lab };
}

function secured(port: number, ca: string, more: object = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', ca, servername: 'router.example', ...more });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Everything that comes until the router ends the connection. */
function talk(socket: Socket, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (more: Buffer) => {
      text += more.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
    socket.write(bytes);
  });
}

async function serial(port: number, ca: string): Promise<string> {
  const socket = await secured(port, ca);
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

const names = ['router.example', '127.0.0.1'];

t.test('HTTP/1.1 over TLS', async (t) => {
  const { ca, issue } = await authority();
  const files = await filesOf(t, await issue(...names));

  t.test('is served as in cleartext: kept alive, pipelined in order, closed when asked', async (t) => {
    const { engine, lab } = await scene(t, files);
    const socket = await secured(lab.port, ca, { ALPNProtocols: ['http/1.1'] });
    t.equal(socket.alpnProtocol, 'http/1.1');
    const text = await talk(socket, post(ask) + post(ask) + post(ask, 'connection: close\r\n'));
    t.equal([...text.matchAll(/HTTP\/1\.1 200 OK/g)].length, 3);
    t.equal(engine.requests.length, 3);
  });

  t.test('needs no ALPN, and no version before 1.2', async (t) => {
    const { lab } = await scene(t, files);
    const text = await talk(await secured(lab.port, ca), post(ask, 'connection: close\r\n'));
    t.match(text, /^HTTP\/1\.1 200 /);
    t.equal((await secured(lab.port, ca, { maxVersion: 'TLSv1.2' })).destroy().destroyed, true);
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    await t.rejects(secured(lab.port, ca, old));
    t.match(await lab.metrics.render(), /tandem_router_refused_total\{reason="no-handshake"\} 1/);
  });

  t.test('is ended when the handshake takes too long, or is none', async (t) => {
    const { lab } = await scene(t, files, { requestMs: 200 });
    const silent = connectPlain(lab.port, '127.0.0.1');
    t.equal(await talk(silent, ''), '');
    const plain = connectPlain(lab.port, '127.0.0.1');
    t.notMatch(await talk(plain, post(ask)), /200 OK/);
    await lab.running.stop();
  });

  t.test('leaves nothing open after a stop in the middle of a handshake', async (t) => {
    const { lab } = await scene(t, files);
    const silent = connectPlain(lab.port, '127.0.0.1');
    const ended = talk(silent, '');
    await until(() => silent.readyState === 'open');
    const idle = await secured(lab.port, ca);
    const idleEnded = talk(idle, '');
    await lab.running.stop();
    await Promise.all([ended, idleEnded]);
    t.pass('both connections are gone');
  });

  t.test('counts against the limits of connections, which close without a word', async (t) => {
    const { lab } = await scene(t, files, { connectionsPerClient: 1 });
    const first = await secured(lab.port, ca);
    await t.rejects(secured(lab.port, ca));
    first.destroy();
    const again = async (): Promise<TLSSocket> => secured(lab.port, ca).catch(again);
    (await again()).destroy();
    t.match(await lab.metrics.render(), /tandem_router_refused_total\{reason="too-many-connections"\}/);
  });
});

t.test('a certificate that changes while the router serves', async (t) => {
  const { ca, issue } = await authority();
  const first = await issue(...names);
  const files = await filesOf(t, first);
  const { lab } = await scene(t, files);
  const put = async (file: string, text: string) => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };
  const reloads = async () =>
    Object.fromEntries(
      [...(await lab.metrics.render()).matchAll(/reloads_total\{outcome="(\w+)"\} (\d+)/g)].map(([, k, n]) => [k, n]),
    ) as Record<string, string>;

  const before = await serial(lab.port, ca);
  const open = await secured(lab.port, ca);
  await put(files.cert, 'no certificate');
  while (!(await reloads())['kept']) await new Promise((resolve) => setImmediate(resolve));
  t.equal(await serial(lab.port, ca), before, 'what cannot be used changes nothing');

  const second = await issue(...names);
  await put(files.key, second.key);
  await put(files.cert, second.cert);
  while (!(await reloads())['renewed']) await new Promise((resolve) => setImmediate(resolve));
  t.not(await serial(lab.port, ca), before, 'a new pair is served at once');
  t.match(await talk(open, post(ask, 'connection: close\r\n')), /^HTTP\/1\.1 200 /, 'open connections go on');
});

t.test('files that cannot be served with end the start with what to give instead', async (t) => {
  const { issue } = await authority();
  const [one, two] = [await issue(...names), await issue(...names)];
  const { cert, key, text } = await filesOf(t, { cert: one.cert, key: two.key, text: 'hello' });
  for (const [files, why] of [
    [{ cert, key }, /does not belong/],
    [{ cert: text, key }, /./],
    [{ cert: '/nowhere/tls.crt', key }, /ENOENT/],
  ] as const) {
    const server = serverOf(1);
    const started = routerLab(t, { pods: [], server, more: { tls: files } });
    await t.rejects(started, { code: 'bad-tls-files', message: why });
    await t.rejects(started, { message: /--tls-cert FILE --tls-key FILE$/ });
  }
});

/** Header bombs and nonsense on real sockets: every server says which limit was passed, and stays up. */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import { createExtenderServer } from '../../extender/server.js';
import { createAuthority, issueServing } from '../../src/certs/authority.js';
import { defaultRotation, validityFrom } from '../../src/certs/rotate.js';
import { type Address, listen } from '../../src/server/listen.js';
import { closeServer, startProbeServer } from '../../src/server/probes.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { createWebhookServer } from '../../webhooks/server.js';

/** All that one connection answers to these bytes, until it is closed. */
function say({ host, port }: Address, bytes: string, tls: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls ? connectTls({ host, port, rejectUnauthorized: false }) : connect({ host, port });
    let answer = '';
    socket.on('data', (piece: Buffer) => {
      answer += piece.toString();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
    socket.once(tls ? 'secureConnect' : 'connect', () => socket.write(bytes));
  });
}

const bombs: readonly [string, string, RegExp][] = [
  [
    'headers of 64 KiB',
    `GET /healthz HTTP/1.1\r\nhost: h\r\nx: ${'a'.repeat(65_536)}\r\n\r\n`,
    /^HTTP\/1\.1 431 .*exceed 16384 bytes; send fewer/s,
  ],
  [
    'headers without end',
    `GET /healthz HTTP/1.1\r\nhost: h\r\nx: ${'a'.repeat(2_000_000)}`,
    /^HTTP\/1\.1 431 .*exceed 16384 bytes; send fewer/s,
  ],
  ['a long path', `GET /${'a'.repeat(65_536)} HTTP/1.1\r\nhost: h\r\n\r\n`, /^HTTP\/1\.1 431 .*exceed 16384 bytes/s],
  ['nonsense', 'hello\r\n\r\n', /^HTTP\/1\.1 400 .*no legal HTTP\/1\.1: .*; check the client/s],
];

async function holdsOut(t: Test, address: Address, tls: boolean): Promise<void> {
  for (const [name, bytes, expected] of bombs) t.match(await say(address, bytes, tls), expected, name);
  const good = 'GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n';
  t.match(await say(address, good, tls), /^HTTP\/1\.1 200 .*ok\n$/s, 'and it goes on');
}

const loopback = { host: '127.0.0.1', port: 0 };
const notReady = () => undefined;

t.test('the probe server', async (t) => {
  const server = await startProbeServer(loopback, { notReady, metrics: new Metrics() });
  t.teardown(() => server.stop());
  await holdsOut(t, server.address, false);
});

t.test('the extender', async (t) => {
  const answer = () => '[]';
  const server = createExtenderServer({
    answers: { prioritize: answer, filter: answer, 'volcano-prioritize': answer },
    metrics: new Metrics(),
    counters: { answered: () => undefined, refused: () => undefined } as never,
    notReady,
    logger: silentLogger,
  });
  t.teardown(() => closeServer(server));
  await holdsOut(t, await listen(server, loopback), false);
});

t.test('the webhook', async (t) => {
  const validity = validityFrom(Date.now(), 86_400_000, defaultRotation);
  const { certificate, key } = await issueServing(await createAuthority('test', validity), {
    hosts: ['127.0.0.1'],
    validity,
  });
  const server = createWebhookServer({
    webhooks: [],
    probes: { notReady, metrics: new Metrics() },
    observer: { decided: () => undefined, malformed: () => undefined, handedOver: () => undefined } as never,
    tls: { cert: certificate, key },
  });
  t.teardown(() => closeServer(server));
  await holdsOut(t, await listen(server, loopback), true);
});

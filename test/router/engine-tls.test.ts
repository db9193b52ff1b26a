/** Engines that speak TLS, `workloadPort.protocol: https`: whom the router believes, and what it says when it does not. */
import { createServer, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { engineTrust, type TrustOptions } from '../../router/engine/engine-trust.js';
import { labels } from '../../src/api/names.js';
import { authority, filesOf } from './certificates.js';
import { routerLab, serverOf } from './lab.js';
import { answer, chunk, completion, connectClient, event, lastChunk, post, sseHead, subnet, token } from './support.js';

const ip = subnet('engine-tls')(1);
const ask = { model: 'tiny', messages: [{ role: 'user', content: 'Hello' }] };

/** An engine with this certificate; it answers each request with what `reply` says. */
async function tlsEngine(t: Test, pair: { cert: string; key: string }, reply: () => string) {
  const sockets = new Set<TLSSocket>();
  let handshakes = 0;
  const server = createServer(pair, (socket) => {
    handshakes += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let seen = '';
    socket.on('data', (bytes: Buffer) => {
      seen += bytes.toString();
      if (!seen.endsWith('}')) return;
      seen = '';
      socket.write(reply());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as { port: number }).port, handshakes: () => handshakes };
}

async function routerFor(t: Test, port: number, trust: TrustOptions) {
  const server = serverOf(port, {
    workloadSelector: { matchLabels: { [labels.name]: 'm' } },
    workloadPort: { port, protocol: 'https' },
  });
  const tls = await engineTrust(trust);
  return routerLab(t, { pods: [{ name: 'w0', ip }], server, more: { pool: { tls } } });
}

async function request({ url }: { url: string }) {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ask),
  });
  return { status: response.status, text: await response.text() };
}

const whole = () => answer(200, completion('hello'));

t.test('an engine that speaks TLS', async (t) => {
  const ours = await authority();
  const theirs = await authority();
  const { ca, other } = await filesOf(t, { ca: ours.ca, other: theirs.ca });

  t.test(
    'is served when its certificate is of the authority that --engine-ca names, over one connection',
    async (t) => {
      const engine = await tlsEngine(t, await ours.issue(ip), whole);
      const lab = await routerFor(t, engine.port, { ca });
      t.match(await request(lab), { status: 200, text: completion('hello') });
      t.match(await request(lab), { status: 200 });
      t.equal(engine.handshakes(), 1);
    },
  );

  t.test('streams like any other', async (t) => {
    const stream = sseHead + chunk(': hi\n\n') + event(token('a', 'stop')) + event('[DONE]') + lastChunk;
    const engine = await tlsEngine(t, await ours.issue(ip), () => stream);
    const lab = await routerFor(t, engine.port, { ca });
    const client = connectClient(lab.port, post({ ...ask, stream: true }));
    await client.received(lastChunk);
    t.ok(client.text().endsWith(stream.slice(sseHead.length)));
    client.leave();
  });

  t.test('is not believed when another authority signed for it, and the error says what to do', async (t) => {
    const engine = await tlsEngine(t, await ours.issue(ip), whole);
    for (const trust of [{ ca: other }, {}]) {
      const lab = await routerFor(t, engine.port, trust);
      const { status, text } = await request(lab);
      t.equal(status, 502);
      t.match(JSON.parse(text), { error: { code: 'engine-unreachable', message: /authority.*--engine-ca/ } });
    }
  });

  t.test('may have a certificate for a name instead of its address, which --engine-name gives', async (t) => {
    const engine = await tlsEngine(t, await ours.issue('engines.example'), whole);
    const strict = await routerFor(t, engine.port, { ca });
    t.match(await request(strict), { status: 502, text: /--engine-name/ });
    const named = await routerFor(t, engine.port, { ca, name: 'engines.example' });
    t.match(await request(named), { status: 200 });
  });

  t.test('is not looked at with --engine-insecure', async (t) => {
    const engine = await tlsEngine(t, await ours.issue('somebody.else'), whole);
    const lab = await routerFor(t, engine.port, { insecure: true });
    t.match(await request(lab), { status: 200 });
  });

  t.test('that speaks no TLS after all is named as such', async (t) => {
    const { createServer: createPlain } = await import('node:net');
    const server = createPlain((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'));
    });
    await new Promise<void>((resolve) => server.listen(0, ip, resolve));
    t.teardown(() => new Promise((resolve) => server.close(resolve)));
    const lab = await routerFor(t, (server.address() as { port: number }).port, { ca });
    t.match(await request(lab), { status: 502, text: /workloadPort\.protocol/ });
  });
});

t.test('a file that is no authority ends the start with what to give instead', async (t) => {
  const { ca } = await filesOf(t, { ca: 'hello' });
  await t.rejects(engineTrust({ ca }), { code: 'bad-engine-ca', message: /--engine-ca FILE$/ });
  await t.rejects(engineTrust({ ca: '/nowhere/ca.crt' }), { code: 'bad-engine-ca', message: /ENOENT/ });
});

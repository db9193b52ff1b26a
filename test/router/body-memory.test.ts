/** Memory of large bodies is used again, and never while somebody may still read what it holds. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { parseRequestHead } from '../../router/client/request-head.js';
import { BodyMemory, bodyMemory } from '../../router/http/body-memory.js';
import { LegHead } from '../../router/leg-head.js';
import { scanRequest } from '../../router/request-body.js';
import { Tracing } from '../../router/trace.js';
import { ask, prefillOk, scene, streamOk } from './pair-scene.js';
import { connectClient, post } from './support.js';

const kb = 1024;

t.test('what is given back is taken again, by a body of about that size', async (t) => {
  const memory = new BodyMemory();
  const one = memory.take(100 * kb);
  t.equal(one.length, 100 * kb);
  memory.giveBack(one);
  t.equal(memory.take(300 * kb).buffer === one.buffer, false, 'too small');
  t.equal(memory.take(120 * kb).buffer, one.buffer);
  t.not(memory.take(120 * kb).buffer, one.buffer, 'once');
});

t.test('small bodies, huge ones and memory of others are left to the collector', async (t) => {
  const memory = new BodyMemory();
  for (const size of [0, 100, 32 * kb, 1024 * kb + 1]) {
    const bytes = memory.take(size);
    t.equal(bytes.length, size);
    memory.giveBack(bytes);
  }
  memory.giveBack(Buffer.alloc(100 * kb + 1));
  t.equal(memory.kept, 0);
});

t.test('no more than 16 MB lie ready', async (t) => {
  const memory = new BodyMemory();
  for (const bytes of Array.from({ length: 20 }, () => memory.take(1024 * kb))) memory.giveBack(bytes);
  t.equal(memory.kept, 16 * 1024 * kb);
  memory.take(1024 * kb);
  t.equal(memory.kept, 15 * 1024 * kb);
});

t.test('bodies of clients that ask at once and one after another reach both engines as they were sent', async (t) => {
  const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [streamOk] });
  const sent = new Set<string>();
  for (let round = 0; round < 5; round += 1) {
    const contents = Array.from({ length: 8 }, (_, i) => randomBytes(kb * (30 + 8 * i)).toString('hex'));
    const clients = contents.map((content) => {
      sent.add(content);
      return connectClient(lab.port, post({ ...ask, stream: true, messages: [{ role: 'user', content }] }));
    });
    await Promise.all(clients.map((client) => client.received('[DONE]')));
    for (const client of clients) client.leave();
  }
  t.ok(bodyMemory.kept > 0, 'and their memory lies ready');
  for (const engine of [...p, ...d]) {
    const got = engine.requests.map(
      ({ body }) => (JSON.parse(body) as { messages: { content: string }[] }).messages[0]?.content ?? '',
    );
    t.equal(got.length, sent.size);
    t.same(new Set(got), sent);
  }
});

/** A connection whose other end has not taken what was written before. */
async function heldUp(t: Test): Promise<{ near: Socket; far: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  near.on('error', () => undefined);
  const [far] = (await once(server, 'connection')) as [Socket];
  t.teardown(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  while (near.writableLength === 0) {
    near.write(Buffer.alloc(1024 * kb));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { near, far };
}

/** The request of one leg with a large body, and who may read that. */
function largeLeg() {
  const room = { id: 'r', readers: 0, release: () => undefined };
  const head = parseRequestHead('POST /v1/completions HTTP/1.1\r\nhost: r\r\n');
  const body = scanRequest(Buffer.from(JSON.stringify({ model: 'm', prompt: 'x'.repeat(100 * kb) })));
  const leg = new LegHead(head, room, new Tracing({ startsAll: false, mintHex: () => '', onIllegal: () => undefined }));
  return { room, request: leg.request({ ip: '127.0.0.1', port: 1 }, body, { connect: 0, head: 0, idle: 0 }) };
}

t.test('a body is read until the kernel has all of its request', async (t) => {
  const [{ near, far }, { room, request }] = [await heldUp(t), largeLeg()];
  t.ok(room.readers > 0, 'before it is written');
  const sent = new Promise<void>((resolve) => request.writeTo(near, () => resolve()));
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(room.readers > 0, 'while the engine takes nothing');
  far.resume();
  await sent;
  t.equal(room.readers, 0);
});

t.test('a request that did not reach its engine may be written again, and its body is read until then', async (t) => {
  const [first, second, { room, request }] = [await heldUp(t), await heldUp(t), largeLeg()];
  const failed = new Promise<void>((resolve) => request.writeTo(first.near, () => resolve()));
  first.near.destroy();
  await failed;
  t.ok(room.readers > 0);
  const sent = new Promise<void>((resolve) => request.writeTo(second.near, () => resolve()));
  second.far.resume();
  await sent;
  t.equal(room.readers, 0);
});

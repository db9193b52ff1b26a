/** Clients that read slowly: as long as they take something they are waited for, whoever keeps the time. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { mock } from 'node:test';
import t, { type Test } from 'tap';
import type { Carrier } from '../../router/client/carrier.js';
import { type ConnectionOwner, H1Connection } from '../../router/client/h1-connection.js';
import { ClientAnswer } from '../../router/client-answer.js';
import { parseHead } from '../../router/engine/response-head.js';
import { Relay, type RelayEnd } from '../../router/relay.js';
import { routerErrors } from '../../router/router-errors.js';

const limits = { headerBytes: 4096, headMs: 0, requestMs: 0, keepAliveMs: 10_000, slowClientMs: 1000 };
const large = Buffer.alloc(60_000_000, 'x');

/** A connection whose client has asked for more than the kernel holds, and has read nothing of it yet. */
async function scene(t: Test, more = '') {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const client = connect((server.address() as { port: number }).port, '127.0.0.1');
  client.on('error', () => undefined);
  t.teardown(() => client.destroy());
  const [socket] = (await once(server, 'connection')) as [Socket];
  let ask = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  const owner: ConnectionOwner = {
    limits,
    isStopping: false,
    onRequest: () => ask(),
    onRefused: () => undefined,
    onClosed: () => undefined,
  };
  const connection = new H1Connection(socket, owner);
  socket.on('data', (bytes) => connection.receive(bytes));
  client.write(`GET / HTTP/1.1\r\nhost: r\r\n${more}\r\n`);
  await asked;
  connection.answer.sendWhole(200, '', large);
  await new Promise((resolve) => setImmediate(resolve));
  const begun = performance.now();
  const look = (ms: number) => connection.checkTime(begun + ms);
  look(0);
  return { client, socket, look };
}

const queued = (socket: Socket): number =>
  (socket as unknown as { readonly _handle: { readonly writeQueueSize: number } })._handle.writeQueueSize;

/** Reads until the kernel has taken more from the router. */
async function readSome(client: Socket, socket: Socket): Promise<void> {
  const before = queued(socket);
  while (queued(socket) === before) {
    client.read();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

for (const [what, header] of [
  ['its last answer', 'connection: close\r\n'],
  ['an answer before the next request', ''],
]) {
  t.test(`a client that reads ${what} slowly is waited for until it takes nothing`, async (t) => {
    const { client, socket, look } = await scene(t, header);
    for (let passed = 900; passed < 4000; passed += 900) {
      await readSome(client, socket);
      look(passed);
      t.notOk(socket.destroyed, `after ${passed} ms`);
    }
    look(3600 + 1100);
    t.ok(socket.destroyed, 'and not for ever');
  });
}

t.test('a stream', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  let progress = 0;
  let cuts = 0;
  const carrier: Carrier = {
    get progress() {
      return progress;
    },
    backlog: 1,
    takesFraming: false,
    listen: () => undefined,
    sendContinue: () => undefined,
    sendWhole: () => undefined,
    begin: () => undefined,
    write: () => false,
    passFramed: () => false,
    end: () => undefined,
    cut: () => {
      cuts += 1;
    },
  };
  const ends: RelayEnd[] = [];
  const relay = new Relay({
    answer: new ClientAnswer(carrier),
    holdUpTo: 0,
    slowClientMs: 1000,
    beforeAnswer: () => undefined,
    over: (end) => {
      ends.push(end);
      return end;
    },
    describe: (why) => routerErrors('engine-gave-up', { leg: 'plain', pod: 'w0', why }),
  });
  relay.onHead(parseHead('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n'));
  relay.onBody(Buffer.from('hello'), 0, 5, 0, 5);
  for (let i = 0; i < 5; i += 1) {
    progress += 1;
    mock.timers.tick(1000);
    t.equal(cuts, 0, 'goes on for whoever takes something');
  }
  mock.timers.tick(1000);
  t.equal(cuts, 1, 'and breaks off for whoever takes nothing');
  t.equal(ends.length, 1, 'once');
});

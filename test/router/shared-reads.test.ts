/** Accepted connections read into memory that all share: as sockets they behave as before, and the server lets go of them. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import t, { type Test } from 'tap';
import { withSharedReads } from '../../router/http/shared-reads.js';

/** A client and the accepted end of its connection, moved; `untilGot` resolves once so many bytes have been received. */
async function scene(t: Test) {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  t.teardown(() => client.destroy());
  const buffers = new Set<ArrayBufferLike>();
  let got = '';
  let onMore = (): void => undefined;
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const socket = withSharedReads(accepted, (bytes) => {
    buffers.add(bytes.buffer);
    got += bytes.toString('latin1');
    onMore();
  });
  if (!socket) throw new Error('this Node keeps its connections differently');
  t.teardown(() => socket.destroy());
  const untilGot = (count: number) =>
    new Promise<string>((resolve) => {
      onMore = () => {
        if (got.length >= count) resolve(got);
      };
      onMore();
    });
  return { server, client, accepted, socket, buffers, untilGot };
}

t.test('every read of every connection goes into the same memory', async (t) => {
  const [one, two] = [await scene(t), await scene(t)];
  one.client.write('a');
  await one.untilGot(1);
  two.client.write('b');
  await two.untilGot(1);
  one.client.write('c');
  t.equal(await one.untilGot(2), 'ac');
  t.equal(new Set([...one.buffers, ...two.buffers]).size, 1);
});

t.test('both directions, both ends and the addresses are those of the connection', async (t) => {
  const { client, socket, untilGot } = await scene(t);
  t.equal(socket.remotePort, client.localPort);
  client.end('question');
  t.equal(await untilGot(8), 'question');
  await once(socket, 'end');
  t.ok(socket.writable, 'a client that has said all of it still gets its answer');
  const closed = once(socket, 'close');
  socket.end('answer');
  const [answer] = (await once(client, 'data')) as [Buffer];
  t.equal(answer.toString(), 'answer');
  await closed;
});

t.test('a paused connection reads nothing until it is resumed', async (t) => {
  const { client, socket, untilGot } = await scene(t);
  client.write('one');
  await untilGot(3);
  socket.pause();
  await new Promise<void>((resolve) => client.write(' two', () => resolve()));
  let isResumed = false;
  const got = untilGot(7).then((text) => `${isResumed} ${text}`);
  await new Promise((resolve) => setImmediate(resolve));
  isResumed = true;
  socket.resume();
  t.equal(await got, 'true one two');
});

t.test('the socket that the server made is closed, and the server counts it no longer', async (t) => {
  const { server, accepted, socket } = await scene(t);
  if (!accepted.closed) await once(accepted, 'close');
  const open = await new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
  t.equal(open, 0);
  t.notOk(socket.destroyed);
});

t.test('a socket without a connection that could move is left alone', async (t) => {
  const socket = new Socket();
  t.equal(
    withSharedReads(socket, () => undefined),
    undefined,
  );
  t.notOk(socket.destroyed);
});

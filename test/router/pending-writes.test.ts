/** What is sent in one turn of the event loop, on real sockets. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setImmediate as turnEnd } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { joined } from '../../router/http/joined.js';
import { PendingWrites } from '../../router/http/pending-writes.js';

/** Two ends of one connection. */
async function pair(t: Test): Promise<{ near: Socket; far: Socket; untilGot(text: string): Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const accepted = once(server, 'connection');
  const near = connect({ host: '127.0.0.1', port });
  const [far] = (await accepted) as [Socket];
  await once(near, 'connect');
  t.teardown(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  let got = '';
  const untilGot = async (text: string) => {
    while (got.length < text.length) got += String((await once(far, 'data'))[0]);
    t.equal(got, text);
  };
  return { near, far, untilGot };
}

t.test('what is put in one turn is written at its end, in the order in which it was put', async (t) => {
  const [a, b, pendingWrites] = [await pair(t), await pair(t), new PendingWrites()];
  const written: string[] = [];
  const message = {
    writeTo(socket: Socket) {
      socket.write('three ');
    },
  };
  pendingWrites.put(a.near, 'one ', () => written.push('a1'));
  pendingWrites.put(b.near, 'uno ', () => written.push('b1'));
  pendingWrites.put(a.near, Buffer.from('two '), () => written.push('a2'));
  pendingWrites.put(a.near, message);
  pendingWrites.put(a.near, 'four');
  t.equal(a.near.bytesWritten, 0, 'nothing before');
  await turnEnd();
  t.equal(a.near.bytesWritten, 'one two three four'.length);
  await Promise.all([a.untilGot('one two three four'), b.untilGot('uno ')]);
  t.strictSame(written, ['a1', 'b1', 'a2']);
});

t.test('a flush writes at once, and what is put after it has a turn of its own', async (t) => {
  const [{ near, untilGot }, pendingWrites] = [await pair(t), new PendingWrites()];
  pendingWrites.put(near, 'early');
  pendingWrites.flush();
  t.equal(near.bytesWritten, 5);
  pendingWrites.put(near, ' late');
  await untilGot('early late');
});

t.test('a socket that was closed in between gets nothing, and the others get theirs', async (t) => {
  const [a, b, pendingWrites] = [await pair(t), await pair(t), new PendingWrites()];
  pendingWrites.put(a.near, 'lost');
  pendingWrites.put(b.near, 'kept');
  a.near.destroy();
  await b.untilGot('kept');
  t.equal(a.near.bytesWritten, 0);
});

t.test('whoever puts learns that the other end is behind', async (t) => {
  const [{ near, far }, pendingWrites] = [await pair(t), new PendingWrites()];
  far.pause();
  const megabyte = 'x'.repeat(1024 * 1024);
  let puts = 1;
  while (pendingWrites.put(near, megabyte)) {
    puts += 1;
    await turnEnd();
    if (puts > 64) break;
  }
  t.ok(puts > 1 && puts <= 64, 'after what the kernel holds');
  const drained = once(near, 'drain');
  far.resume();
  await drained;
  t.ok(pendingWrites.put(near, 'more'));
});

t.test('whoever sends much in one turn learns it in that turn', async (t) => {
  const [{ near, far }, pendingWrites] = [await pair(t), new PendingWrites()];
  far.pause();
  const read = 'x'.repeat(64 * 1024);
  let puts = 1;
  while (pendingWrites.put(near, read) && puts < 1000) puts += 1;
  t.ok(puts < 1000, `${puts} reads of 64 KB`);
  t.ok(near.writableLength < 512 * 1024, `${near.writableLength} bytes wait`);
});

t.test('a joined message that the kernel does not take at once is not overwritten by the next one', async (t) => {
  const [{ near, far }, other] = [await pair(t), await pair(t)];
  far.pause();
  while (near.write('x'.repeat(256 * 1024)));
  const before = near.bytesWritten;
  joined.begin(Buffer.from('{"mine":1}')).copy(0, 10);
  joined.write(near, 'POST / ', 'length 10 ', undefined);
  joined.begin(Buffer.from('{"other":2}')).copy(0, 11);
  joined.write(other.near, 'POST / ', 'length 11 ', undefined);
  await other.untilGot('POST / length 11 {"other":2}');
  let tail = '';
  let length = 0;
  far.on('data', (bytes: Buffer) => {
    length += bytes.length;
    tail = (tail + bytes.toString('latin1')).slice(-27);
  });
  far.resume();
  while (length < before + 27) await once(far, 'data');
  t.equal(tail, 'POST / length 10 {"mine":1}');
});

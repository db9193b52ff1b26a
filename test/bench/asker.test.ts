import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { Asker, seenNothing } from '../../bench/asker.js';
import { plainAnswer, streamEnd, streamHead, tokenEvent } from '../../bench/mock-wire.js';
import { streamRequest, wholeRequest } from '../../bench/requests.js';

/** A server that answers with these pieces, each read by the client before the next is written. */
async function answering(t: Test, pieces: readonly Buffer[]): Promise<Asker> {
  let asker: Asker | undefined;
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.once('data', () => void writeOneByOne(socket, () => asker?.socket.bytesRead ?? 0, pieces));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  asker = await Asker.open({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  const opened = asker;
  t.teardown(() => {
    opened.close();
    server.close();
  });
  return opened;
}

async function writeOneByOne(socket: Socket, read: () => number, pieces: readonly Buffer[]): Promise<void> {
  let written = 0;
  for (const piece of pieces) {
    socket.write(piece);
    written += piece.length;
    while (read() < written && !socket.destroyed) await new Promise((resolve) => setImmediate(resolve));
  }
}

const cut = (bytes: Buffer, at: number): Buffer[] => [bytes.subarray(0, at), bytes.subarray(at)];
const stream = Buffer.concat([streamHead, tokenEvent, tokenEvent, streamEnd]);
const request = streamRequest(2, { everyMs: 1, aligned: false });

t.test('a stream is read right wherever it is cut', async (t) => {
  const wronglyRead: string[] = [];
  for (let at = streamHead.length; at < stream.length; at += 1) {
    const asker = await answering(t, cut(stream, at));
    const seen = seenNothing();
    await asker.stream(request, 2, seen);
    if (seen.chunks !== 3 || seen.wrong !== 0) wronglyRead.push(`cut at ${at}: ${JSON.stringify(seen)}`);
    asker.close();
  }
  t.same(wronglyRead, []);
});

t.test('events that come alone make as many reads as events; joined ones make fewer', async (t) => {
  const alone = seenNothing();
  await (await answering(t, [streamHead, tokenEvent, tokenEvent, streamEnd])).stream(request, 2, alone);
  t.match(alone, { chunks: 3, reads: 3 });
  const joined = seenNothing();
  await (await answering(t, [streamHead, Buffer.concat([tokenEvent, tokenEvent]), streamEnd])).stream(
    request,
    2,
    joined,
  );
  t.match(joined, { chunks: 3, reads: 2 });
});

t.test('what is not the stream that was asked for is wrong', async (t) => {
  for (const [name, pieces] of Object.entries({
    'a chunk is missing': [streamHead, tokenEvent, streamEnd],
    'a chunk comes twice': [streamHead, tokenEvent, tokenEvent, tokenEvent, streamEnd],
    'a whole answer': [plainAnswer],
    'a refusal': [Buffer.from('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno')],
  })) {
    const seen = seenNothing();
    await (await answering(t, pieces)).stream(request, 2, seen);
    t.match(seen, { requests: 1, wrong: 1 }, name);
  }
});

t.test('a whole answer is right with its length or chunked, and wrong without a finish reason', async (t) => {
  const json = plainAnswer.subarray(plainAnswer.indexOf('{'));
  const chunked = Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${json.length.toString(16)}\r\n`),
    json,
    Buffer.from('\r\n0\r\n\r\n'),
  ]);
  for (const [wrong, answer] of [
    [0, plainAnswer],
    [0, chunked],
    [1, Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')],
  ] as const) {
    const seen = seenNothing();
    await (await answering(t, cut(answer, 60))).whole(wholeRequest(1), seen);
    t.match(seen, { requests: 1, wrong });
  }
});

t.test('a connection that closes in the middle of an answer is a failure', async (t) => {
  const server = createServer((socket) => {
    socket.once('data', () => socket.end(plainAnswer.subarray(0, 80)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const asker = await Asker.open({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  await t.rejects(asker.whole(wholeRequest(1), seenNothing()), /closed in the middle/);
});

import { connect, type Socket } from 'node:net';

export interface Load {
  readonly port: number;
  readonly body: string;
  readonly connections: number;
  readonly milliseconds: number;
  /** Streams are counted by their chunks. */
  readonly stream: boolean;
}

export interface Served {
  readonly requests: number;
  readonly chunks: number;
  readonly wrong: number;
  readonly milliseconds: number;
}

const done = Buffer.from('data: [DONE]');
const data = Buffer.from('data: ');

/** Each connection asks, reads the whole answer, checks it, and asks again, until the time is over. */
export async function runLoad(load: Load): Promise<Served> {
  const bytes = Buffer.from(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: router\r\nuser-agent: bench/1\r\nauthorization: Bearer abc\r\ncontent-type: application/json\r\ncontent-length: ${load.body.length}\r\n\r\n${load.body}`,
  );
  const counts = { requests: 0, chunks: 0, wrong: 0 };
  const begun = performance.now();
  const until = begun + load.milliseconds;
  const one = load.stream ? streamOnce : wholeOnce;
  await Promise.all(
    Array.from({ length: load.connections }, async () => {
      const socket = await open(load.port);
      while (performance.now() < until) await one(socket, bytes, counts);
      socket.destroy();
    }),
  );
  return { ...counts, milliseconds: performance.now() - begun };
}

interface Counts {
  requests: number;
  chunks: number;
  wrong: number;
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}

function wholeOnce(socket: Socket, bytes: Buffer, counts: Counts): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = '';
    const onData = (more: Buffer) => {
      got += more.toString('latin1');
      const end = got.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(got)?.[1] ?? -1);
      if (length < 0 || got.length < end + 4 + length) return;
      socket.off('data', onData);
      socket.off('close', onClose);
      counts.requests += 1;
      if (!got.startsWith('HTTP/1.1 200') || !got.includes('"finish_reason":"stop"')) counts.wrong += 1;
      resolve();
    };
    const onClose = () => reject(new Error(`the connection closed in the middle of an answer: ${got.slice(0, 200)}`));
    socket.on('data', onData);
    socket.once('close', onClose);
    socket.write(bytes);
  });
}

function streamOnce(socket: Socket, bytes: Buffer, counts: Counts): Promise<void> {
  return new Promise((resolve, reject) => {
    let first = true;
    const onData = (more: Buffer) => {
      if (first && more.indexOf('HTTP/1.1 200') !== 0) counts.wrong += 1;
      first = false;
      for (let at = more.indexOf(data); at >= 0; at = more.indexOf(data, at + 1)) counts.chunks += 1;
      if (more.indexOf(done) < 0) return;
      socket.off('data', onData);
      socket.off('close', onClose);
      counts.requests += 1;
      // What is left of this answer, its last chunk, may still be on the way.
      setTimeout(resolve, 5);
    };
    const onClose = () => reject(new Error('the connection closed in the middle of a stream'));
    socket.on('data', onData);
    socket.once('close', onClose);
    socket.write(bytes);
  });
}

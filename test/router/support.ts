/** An engine whose every byte a test decides: real sockets, no opinion of its own. */
import { createHash } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Test } from 'tap';

/** One request as it arrived. `body` is what its content-length says. */
export interface Arrived {
  readonly head: string;
  readonly body: string;
  readonly socket: Socket;
  /** Resolves when the other end closes or resets the connection. */
  readonly gone: Promise<void>;
}

export type Script = (request: Arrived, index: number) => void | Promise<void>;

export interface ScriptedEngine {
  readonly port: number;
  readonly requests: Arrived[];
  readonly connections: () => number;
  /** Resolves with the n-th request, counted from 0. */
  arrived(index: number): Promise<Arrived>;
  script: Script;
  /** Told of every stretch of bytes as it comes. */
  onBytes: (bytes: Buffer) => void;
  /** Told of every connection before anything is read from it. */
  onConnection: (socket: Socket) => void;
  close(): Promise<void>;
}

export async function scriptedEngine(t: Test, host: string, port: number, script: Script): Promise<ScriptedEngine> {
  const sockets = new Set<Socket>();
  const waiting: { index: number; resolve: (request: Arrived) => void }[] = [];
  const engine: ScriptedEngine = {
    port,
    requests: [],
    connections: () => sockets.size,
    arrived: (index) =>
      new Promise((resolve) => {
        const request = engine.requests[index];
        if (request) resolve(request);
        else waiting.push({ index, resolve });
      }),
    script,
    onBytes: () => undefined,
    onConnection: () => undefined,
    close: () => close(server, sockets),
  };
  const onRequest = (request: Arrived) => {
    const index = engine.requests.push(request) - 1;
    for (const waiter of waiting) if (waiter.index === index) waiter.resolve(request);
    void engine.script(request, index);
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    engine.onConnection(socket);
    socket.on('data', (bytes: Buffer) => engine.onBytes(bytes));
    readRequests(socket, onRequest);
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  t.teardown(() => engine.close());
  return Object.assign(engine, { port: (server.address() as { port: number }).port });
}

function readRequests(socket: Socket, onRequest: (request: Arrived) => void): void {
  let bytes = Buffer.alloc(0);
  const gone = new Promise<void>((resolve) => {
    socket.on('error', () => resolve());
    socket.on('end', () => resolve());
    socket.on('close', () => resolve());
  });
  socket.on('data', (more: Buffer) => {
    bytes = Buffer.concat([bytes, more]);
    for (;;) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = bytes.toString('latin1', 0, end + 4);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (bytes.length < end + 4 + length) return;
      const body = bytes.toString('utf8', end + 4, end + 4 + length);
      bytes = bytes.subarray(end + 4 + length);
      onRequest({ head, body, socket, gone });
    }
  });
}

function close(server: Server, sockets: Set<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy();
  return new Promise((resolve) => server.close(() => resolve()));
}

export const answer = (status: number, body: string, headers = ''): string =>
  `HTTP/1.1 ${status} X\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

export const sseHead =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n';
export const chunk = (payload: string): string => `${Buffer.byteLength(payload).toString(16)}\r\n${payload}\r\n`;
export const event = (payload: unknown): string =>
  chunk(`data: ${typeof payload === 'string' ? payload : JSON.stringify(payload)}\n\n`);
export const lastChunk = '0\r\n\r\n';

export const token = (content: string, finish: string | null = null): unknown => ({
  id: 'x',
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta: { content }, finish_reason: finish }],
});

/** A stream without end, as fast as the other side takes it. */
export const flood: Script = ({ socket }) => {
  socket.write(sseHead);
  const more = () => {
    while (!socket.destroyed && socket.write(event(token('x'.repeat(8000)))));
    if (!socket.destroyed) socket.once('drain', more);
  };
  more();
};

export const completion = (content: string, finish = 'stop', more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    id: 'x',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: finish }],
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    ...more,
  });

/** What a prefill engine hands over; `id` is text, so that a test can give a number that no double holds. */
export const prefilled = (id = '9007199254740993', host = '10.9.9.9'): string =>
  completion('x', 'length').replace(
    /}$/,
    `,"kv_transfer_params":{"do_remote_prefill":true,"remote_host":"${host}","remote_port":5600,"remote_engine_id":${id},"remote_block_ids":[[1,2]]}}`,
  );
/** A loopback subnet of its own for each test file, so that files may run at once. */
export function subnet(of: string): (host: number) => string {
  const [a = 0, b = 0] = createHash('sha256').update(of).digest();
  return (host) => `127.${20 + (a % 200)}.${b}.${host}`;
}

/** Waits for what another part of this process is about to do; tap's own limit ends it when it never happens. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** One HTTP request over a plain socket, with the power to leave at any time. */
export interface Client {
  /** Everything received so far. */
  text(): string;
  /** Resolves when the text contains this. */
  received(part: string): Promise<void>;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;
  send(bytes: string): void;
  leave(): void;
  pause(): void;
  resume(): void;
}

export function connectClient(port: number, bytes: string | Buffer): Client {
  const socket = connect(port, '127.0.0.1');
  const waiting: { part: string; resolve: () => void }[] = [];
  let text = '';
  socket.on('data', (more: Buffer) => {
    text += more.toString('latin1');
    for (const { part, resolve } of waiting) if (text.includes(part)) resolve();
  });
  socket.on('error', () => undefined);
  socket.write(bytes);
  return {
    text: () => text,
    received: (part) =>
      new Promise((resolve) => {
        if (text.includes(part)) resolve();
        else waiting.push({ part, resolve });
      }),
    ended: new Promise((resolve) => socket.on('close', () => resolve())),
    send: (more) => void socket.write(more),
    leave: () => socket.destroy(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };
}

export const post = (body: string | object, headers = '', path = '/v1/chat/completions'): string => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return `POST ${path} HTTP/1.1\r\nhost: router\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};

/**
 * Engines that cost as little as they can, so that what is measured is what stands in front of them: one process, one port
 * on several loopback addresses. Prefill legs get a handover; streams get chunks at a steady pace.
 *
 * node mock-engine.js PORT ADDRESS... ; prints `ready`. Settings come with the request: `"chunks":N,"every":MS` in its body.
 */
import { createServer, type Socket } from 'node:net';

const text = 'The quick brown fox jumps over the lazy dog and keeps on running. ';
const choices = `"choices":[{"index":0,"message":{"role":"assistant","content":"${text}"},"logprobs":null,"finish_reason":"stop"}]`;
const usage = '"usage":{"prompt_tokens":100,"total_tokens":120,"completion_tokens":20}';
const handover =
  '"kv_transfer_params":{"do_remote_prefill":true,"do_remote_decode":false,"remote_block_ids":[[1,2,3,4,5,6,7,8]],"remote_engine_id":"93d65143-9d8d-4458-9255-c8ab2486bfde","remote_request_id":"chatcmpl-1-8aadca1a","remote_host":"10.0.0.1","remote_port":5600,"tp_size":1}';
const whole = (body: string): Buffer =>
  Buffer.from(
    `HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 01:31:12 GMT\r\nserver: uvicorn\r\ncontent-length: ${body.length}\r\ncontent-type: application/json\r\n\r\n${body}`,
  );
const plainAnswer = whole(`{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m",${choices},${usage}}`);
const prefillAnswer = whole(
  `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m",${choices},${usage},${handover}}`,
);
const streamHead =
  'HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 01:31:12 GMT\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n';
const event = (payload: string): string => {
  const data = `data: ${payload}\n\n`;
  return `${data.length.toString(16)}\r\n${data}\r\n`;
};
const tokenEvent = Buffer.from(
  event(
    '{"id":"chatcmpl-9dd998d96957c382","object":"chat.completion.chunk","created":1795225234,"model":"m","choices":[{"index":0,"delta":{"content":"token"},"logprobs":null,"finish_reason":null,"token_ids":null}]}',
  ),
);
const streamEnd = Buffer.from(`${event('[DONE]')}0\r\n\r\n`);

/** Streams of one pace share one timer, as the sequences of one engine step together. */
class Pace {
  readonly #streams = new Set<{ socket: Socket; left: number }>();

  constructor(everyMs: number) {
    setInterval(() => this.#step(), everyMs);
  }

  add(socket: Socket, chunks: number): void {
    this.#streams.add({ socket, left: chunks });
  }

  #step(): void {
    for (const stream of this.#streams) {
      if (stream.left > 0 && !stream.socket.destroyed) {
        stream.left -= 1;
        stream.socket.write(tokenEvent);
        continue;
      }
      this.#streams.delete(stream);
      if (!stream.socket.destroyed) stream.socket.write(streamEnd);
    }
  }
}

const paces = new Map<string, Pace>();
let turn = 0;

function answer(socket: Socket, head: string, tail: string): void {
  if (tail.includes('"do_remote_decode":true')) {
    socket.write(prefillAnswer);
    return;
  }
  const asked = /"chunks":(\d+),"every":(\d+)/.exec(head) ?? /"chunks":(\d+),"every":(\d+)/.exec(tail);
  if (!asked) {
    socket.write(plainAnswer);
    return;
  }
  // Ten phases per pace: streams are staggered as those of several engines are.
  turn = (turn + 1) % 10;
  const key = `${asked[2]}/${turn}`;
  let pace = paces.get(key);
  if (!pace) {
    pace = new Pace(Number(asked[2]));
    paces.set(key, pace);
  }
  socket.write(streamHead);
  pace.add(socket, Number(asked[1]));
}

function serve(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  let waiting: Buffer | undefined;
  socket.on('data', (bytes: Buffer) => {
    const all = waiting ? Buffer.concat([waiting, bytes]) : bytes;
    const end = all.indexOf('\r\n\r\n');
    const length = Number(
      /content-length: (\d+)/i.exec(all.toString('latin1', 0, Math.min(all.length, 4096)))?.[1] ?? 0,
    );
    const complete = end >= 0 && all.length >= end + 4 + length;
    waiting = complete ? undefined : all;
    if (!complete) return;
    const from = end + 4;
    answer(
      socket,
      all.toString('latin1', from, from + 200),
      all.toString('latin1', Math.max(from, from + length - 700)),
    );
  });
}

const [port, ...addresses] = process.argv.slice(2);
let listening = 0;
for (const address of addresses) {
  createServer(serve).listen(Number(port), address, 2048, () => {
    listening += 1;
    if (listening === addresses.length) process.stdout.write('ready\n');
  });
}

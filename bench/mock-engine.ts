/**
 * Engines that cost as little as they can, so that what is measured is what stands in front of them: one process, one port on
 * several loopback addresses. Prefill engines answer at once; streams of decode engines get chunks at a steady pace.
 *
 *     node mock-engine.js PORT PREFILL,PREFILL DECODE,DECODE        prints `ready`
 *
 * What a request wants stands in its system prompt, which every router passes on: `bench chunks=N every=MS` (` aligned`: all such
 * streams step in the same millisecond; else they are spread evenly over the period), `bench hold` (one chunk, then silence),
 * `bench push=BYTES` (as many chunks, as fast as they are taken). Without it the answer is whole.
 */
import { createServer, type Socket } from 'node:net';
import { chunkStepper } from './mock-pace.js';
import {
  legsAnswer,
  plainAnswer,
  prefillAnswer,
  prefillStream,
  probeAnswer,
  streamHead,
  tokenEvent,
} from './mock-wire.js';

/** Far enough into a request, from either end, for what routers write around the prompt. */
const startBytes = 4096;
const edge = 1500;
const pushed = Buffer.concat(Array.from({ length: 300 }, () => tokenEvent));

const step = chunkStepper();

/** Requests that prefill got, that decode got, and that decode got with what a prefill engine has for it. */
const legs = { prefill: 0, decode: 0, handed: 0 };

function answerDecode(socket: Socket, edges: string): void {
  legs.decode += 1;
  if (edges.includes('"remote_block_ids":[[') || edges.includes('"bootstrap_room":')) legs.handed += 1;
  const wants = /"content":\s*"bench (?:chunks=(\d+) every=(\d+)( aligned)?|push=(\d+)|hold)"/.exec(edges);
  if (!wants) {
    socket.write(plainAnswer);
    return;
  }
  socket.write(streamHead);
  const [, chunks, every, aligned, bytes] = wants;
  if (chunks) step(socket, { chunks: Number(chunks), everyMs: Number(every), aligned: aligned !== undefined });
  else if (bytes) push(socket, Number(bytes));
  else socket.write(tokenEvent);
}

/** Prefill makes one token. With a KV address in the request (vLLM) the answer carries the handover; without (SGLang) it is drained. */
function answerPrefill(socket: Socket, edges: string): void {
  legs.prefill += 1;
  if (/"do_remote_decode":\s*true/.test(edges)) socket.write(prefillAnswer);
  else socket.write(/"stream":\s*true/.test(edges) ? prefillStream : plainAnswer);
}

/** Stops where the socket does: an engine holds back as well. */
function push(socket: Socket, bytes: number): void {
  let left = bytes;
  const more = () => {
    while (left > 0 && !socket.destroyed) {
      left -= pushed.length;
      if (!socket.write(pushed)) return;
    }
    socket.off('drain', more);
  };
  socket.on('drain', more);
  more();
}

function answer(socket: Socket, head: string, edges: string, isPrefill: boolean): void {
  if (!head.startsWith('POST')) socket.write(head.startsWith('GET /bench/legs') ? legsAnswer(legs) : probeAnswer(head));
  else if (isPrefill) answerPrefill(socket, edges);
  else answerDecode(socket, edges);
}

/** Requests come one after another on a connection. Only the edges of each are kept: copies of 100 KB would cost more than the rest. */
function serve(isPrefill: boolean): (socket: Socket) => void {
  return (socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    let start = '';
    let tail = '';
    let head: string | undefined;
    let held = 0;
    let wanted = 0;
    socket.on('data', (bytes: Buffer) => {
      held += bytes.length;
      if (start.length < startBytes) start += bytes.toString('latin1', 0, startBytes - start.length);
      tail = (tail + bytes.toString('latin1', Math.max(0, bytes.length - edge))).slice(-edge);
      if (head === undefined) {
        const end = start.indexOf('\r\n\r\n');
        if (end < 0) return;
        head = start.slice(0, end);
        wanted = end + 4 + Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      }
      if (held < wanted) return;
      const asked = head;
      const edges = start.slice(asked.length) + (wanted > startBytes ? tail : '');
      start = '';
      tail = '';
      head = undefined;
      held = 0;
      answer(socket, asked, edges, isPrefill);
    });
  };
}

const [port, prefill = '', decode = ''] = process.argv.slice(2);
const places = [
  ...prefill.split(',').map((address) => ({ address, isPrefill: true })),
  ...decode.split(',').map((address) => ({ address, isPrefill: false })),
];
let listening = 0;
for (const { address, isPrefill } of places) {
  createServer(serve(isPrefill)).listen(Number(port), address, 4096, () => {
    listening += 1;
    if (listening === places.length) process.stdout.write('ready\n');
  });
}

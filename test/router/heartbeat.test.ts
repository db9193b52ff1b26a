/** SSE comments for clients and proxies that give up on silence: in front of events and between them, never inside one. */
import t, { type Test } from 'tap';
import { labels } from '../../src/api/names.js';
import { routerLab, serverOf } from './lab.js';
import {
  type Arrived,
  type Client,
  chunk,
  connectClient,
  event,
  lastChunk,
  post,
  scriptedEngine,
  sseHead,
  subnet,
  token,
} from './support.js';

const ip = subnet('heartbeat')(1);
const ask = { model: 'tiny', stream: true, messages: [{ role: 'user', content: 'Hello' }] };
const comment = ': waiting\n\n';
/** Before its first event a stream that waits long is told so in other words. */
const anyComment = /: waiting( for prefill)?\n\n/g;

/** One pod that takes whole requests. The engine says nothing by itself. */
async function scene(t: Test, heartbeatMs = 10) {
  const engine = await scriptedEngine(t, ip, 0, () => undefined);
  const server = serverOf(engine.port, { workloadSelector: { matchLabels: { [labels.name]: 'm' } } });
  const lab = await routerLab(t, { pods: [{ name: 'w0', ip }], server, limits: { heartbeatMs } });
  let opened = 0;
  const open = async (): Promise<{ client: Client; engine: Arrived }> => {
    const client = connectClient(lab.port, post(ask, 'connection: close\r\n'));
    const arrived = await engine.arrived(opened);
    opened += 1;
    return { client, engine: arrived };
  };
  return { open };
}

const commentsIn = ({ text }: Client): number => text().split(comment).length - 1;

/** Waits until this stream, which nothing keeps from it, has had so many more heartbeats. */
async function beats(client: Client, more: number): Promise<void> {
  const wanted = commentsIn(client) + more;
  while (commentsIn(client) < wanted) await new Promise((resolve) => setImmediate(resolve));
}

/** The body without its chunk framing; throws where that is broken. */
function body(text: string): string {
  let at = text.indexOf('\r\n\r\n') + 4;
  let all = '';
  for (;;) {
    const end = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, end), 16);
    if (size === 0) return all;
    if (text.slice(end + 2 + size, end + 4 + size) !== '\r\n') throw new Error(`no chunk ends at ${end + 2 + size}`);
    all += text.slice(end + 2, end + 2 + size);
    at = end + 4 + size;
  }
}

t.test('a stream that falls silent between events gets comments; the rest is byte for byte', async (t) => {
  const { open } = await scene(t);
  const { client, engine } = await open();
  const first = `data: ${JSON.stringify(token('one'))}\n\n`;
  const last = `data: ${JSON.stringify(token('two', 'stop'))}\n\ndata: [DONE]\n\n`;
  engine.socket.write(sseHead + chunk(first));
  await client.received('one');
  await beats(client, 3);
  engine.socket.write(chunk(last) + lastChunk);
  await client.ended;
  const came = body(client.text());
  t.match(came, `${first}${comment}${comment}`);
  t.equal(came.replaceAll(anyComment, ''), first + last);
});

t.test('a client of a pod that takes whole requests is kept waiting too', async (t) => {
  const { open } = await scene(t);
  const { client, engine } = await open();
  await beats(client, 2);
  engine.socket.write(sseHead + event('[DONE]') + lastChunk);
  await client.ended;
  t.match(body(client.text()), /^(: waiting[ a-z]*\n\n)+data: \[DONE\]\n\n$/);
});

t.test('nothing comes between the pieces of an event', async (t) => {
  const { open } = await scene(t);
  const long = 'x'.repeat(100_000);
  const cases: readonly (readonly [string, string, string])[] = [
    ['in the middle of a line', chunk('data: {"a'), chunk('":1}\n\n')],
    ['after the first of two line feeds', chunk('data: {"a":1}\n'), chunk('\n')],
    ['after a first byte that came alone', chunk('data: 1\n\n') + chunk('d'), chunk('ata: 2\n\n')],
    [
      'inside a chunk that is passed on in pieces',
      `${(long.length + 10).toString(16)}\r\ndata: ${long}\n\n`,
      `\n\n\r\n`,
    ],
  ];
  for (const [where, before, after] of cases) {
    await t.test(where, async (t) => {
      const clock = await open();
      const { client, engine } = await open();
      clock.engine.socket.write(sseHead + event('1'));
      engine.socket.write(sseHead + before);
      await client.received(before.slice(-5).trim() === '' ? 'xxxx' : before.slice(-9).trim());
      await beats(clock.client, 5);
      t.equal(commentsIn(client), 0);
      engine.socket.write(after);
      await beats(client, 1);
      engine.socket.write(lastChunk);
      await client.ended;
      t.equal(
        chunked(body(client.text()).replaceAll(anyComment, '')),
        chunked(body(`\r\n\r\n${before}${after}${lastChunk}`)),
      );
      clock.client.leave();
    });
  }
});

/** Short enough to be shown when it differs. */
const chunked = (text: string): string => text.replaceAll(/x{100}/g, 'X');

t.test('an event that ends with carriage returns has ended as well, and not before', async (t) => {
  for (const pieces of [['data: 1\r\n\r\n'], ['data: 1', '\r\n', '\r\n'], ['data: 1\r', '\n\r', '\n']]) {
    const { open } = await scene(t);
    const { client, engine } = await open();
    const before = pieces.slice(0, -1).map(chunk).join('');
    const clock = await open();
    clock.engine.socket.write(sseHead + event('1'));
    engine.socket.write(sseHead + before);
    await beats(clock.client, 3);
    t.equal(before === '' ? 0 : commentsIn(client), 0);
    engine.socket.write(chunk(pieces.at(-1) ?? ''));
    await client.received('data: 1');
    await beats(client, 2);
    engine.socket.write(lastChunk);
    await client.ended;
    t.equal(body(client.text()).replaceAll(anyComment, ''), pieces.join(''));
    clock.client.leave();
  }
});

t.test('two line feeds that come one by one end an event', async (t) => {
  const { open } = await scene(t);
  const { client, engine } = await open();
  engine.socket.write(sseHead + chunk('data: 1') + chunk('\n') + chunk('\n'));
  await client.received('data: 1');
  await beats(client, 2);
  engine.socket.write(lastChunk);
  await client.ended;
  t.equal(body(client.text()).replaceAll(anyComment, ''), 'data: 1\n\n');
});

/** Plain requests are read by a lane of their own; whatever else comes, and however it is cut, is answered as Node's server does. */

import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import { BodyBudget } from '../../webhooks/body.js';
import { readPlainHead } from '../../webhooks/plain-head.js';
import { openServer, recorded, worldOf } from './tls-server.js';

const good = await recorded('modelservings--CREATE');
const path = '/mutate/modelservings';
const plain = `POST ${path}?timeout=10s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
const length = `Content-Length: ${Buffer.byteLength(good)}\r\n`;
const request = (more = '', body = good) => `${plain}${more}${length}\r\n${body}`;
const chunked = `${plain}Transfer-Encoding: chunked\r\n\r\n${Buffer.byteLength(good).toString(16)}\r\n${good}\r\n0\r\n\r\n`;

/** Reads answers until there are so many; their status lines and whether they carry a patch. */
async function answers(socket: TLSSocket, count: number): Promise<readonly string[]> {
  let text = '';
  for await (const piece of socket.iterator({ destroyOnReturn: false })) {
    text += (piece as Buffer).toString('latin1');
    const found = text.split(/(?=HTTP\/1\.1 \d)/).filter(isWhole);
    if (found.length >= count) return found.map(told);
  }
  return [
    ...text
      .split(/(?=HTTP\/1\.1 \d)/)
      .filter(Boolean)
      .map(told),
    'end',
  ];
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n');
  const said = /content-length: (\d+)/i.exec(answer)?.[1];
  return end > 0 && said !== undefined && answer.length === end + 4 + Number(said);
}

const told = (answer: string): string =>
  `${answer.slice(9, 12)}${answer.includes('"patch":"') ? ' patched' : ''}${/connection: close/i.test(answer) ? ' close' : ''}`;

/** A review that is decided when the world has told whose pod it is. */
const ofPod = () => {
  const review = JSON.parse(good) as { request: object };
  const metadata = { name: 'a', labels: { 'modelserving.volcano.sh/name': 'a' } };
  const body = JSON.stringify({ ...review, request: { ...review.request, object: { metadata, spec: {} } } });
  const head = plain.replace(path, '/mutate/pods');
  return `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};

t.test('requests on one connection, each when the one before is answered', async (t) => {
  const budget = new BodyBudget();
  const { raw, metrics } = await openServer(t, worldOf(), 5_000, budget);
  const socket = raw();
  const handedOver = async () => Number(/handed_over_total\{.*\} (\d+)/.exec(await metrics.render())?.[1] ?? 0);
  const talk: readonly (readonly [string, string])[] = [
    [request(), '200 patched'],
    [request('Accept: */*\r\nTraceparent: 00-1-2-3\r\nConnection: keep-alive\r\n'), '200 patched'],
    [request('X-Other: 1\r\n'), '200 patched'],
    [request(), '200 patched'],
    [chunked, '200 patched'],
    ['GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', '200'],
    [request('Connection: close\r\n'), '200 patched close'],
  ];
  for (const [at, [sent, want]] of talk.entries()) {
    socket.write(sent);
    t.same(await answers(socket, 1), [want], sent.slice(0, 150));
    t.equal(await handedOver(), at < 2 ? 0 : 1, 'from the third request on');
  }
  t.equal(budget.held, 0);
});

t.test('wherever the bytes are cut, and however early they come', async (t) => {
  const budget = new BodyBudget();
  const { raw } = await openServer(t, worldOf(), 5_000, budget);
  const all = Buffer.from(request() + request() + chunked + request());
  const head = plain.length + length.length;
  for (const cut of [1, 10, head - 1, head + 1, head + 2, head + 500, request().length - 1, request().length + 9]) {
    const socket = raw();
    socket.write(all.subarray(0, cut));
    await turn();
    socket.write(all.subarray(cut));
    t.same(await answers(socket, 4), Array(4).fill('200 patched'), `cut at ${cut}`);
    socket.destroy();
  }
  while (budget.held > 0) await turn();
  t.pass('nothing is held');
});

t.test('what follows while a review is being decided waits for its answer', async (t) => {
  const answered: (() => void)[] = [];
  const world = worldOf();
  const slow = { ...world, findServing: () => new Promise<undefined>((go) => answered.push(() => go(undefined))) };
  const { raw } = await openServer(t, slow);
  const socket = raw();
  socket.write(ofPod());
  while (answered.length < 1) await turn();
  socket.write(request());
  await turn();
  answered[0]?.();
  t.same((await answers(socket, 2)).length, 2);
});

t.test('what is no review ends the connection with 4xx', async (t) => {
  const { raw } = await openServer(t);
  const socket = raw();
  socket.write(request('', good.replace('{', '[')));
  t.same(await answers(socket, 9), ['400 close', 'end']);
});

t.test('who is silent or slow is cut off', async (t) => {
  const { raw } = await openServer(t, worldOf(), 300);
  const [silent, slow] = [raw(), raw()];
  slow.write(request().slice(0, 400));
  const all = await Promise.all([silent, slow].map((socket) => answers(socket, 9)));
  t.same(all, Array(2).fill(['408 close', 'end']));
});

t.test('a server that closes ends what is idle and answers what is not', async (t) => {
  const answered: (() => void)[] = [];
  const slow = { ...worldOf(), findServing: () => new Promise<undefined>((go) => answered.push(() => go(undefined))) };
  const { raw, server } = await openServer(t, slow);
  const [idle, busy] = [raw(), raw()];
  idle.write(request());
  await answers(idle, 1);
  busy.write(ofPod());
  while (answered.length < 1) await turn();
  const closed = once(server, 'close');
  idle.resume();
  server.close();
  await once(idle, 'close');
  answered[0]?.();
  t.match((await answers(busy, 9)).join(), /^200.* close,end$/);
  await closed;
});

t.test('a head is plain only when nobody could read it in another way', (t) => {
  const read = (head: string) => readPlainHead(Buffer.from(head, 'latin1'));
  const fields = 'Host: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n';
  const whole = `POST /a HTTP/1.1\r\n${fields}\r\n`;
  t.same(read(whole), { path: '/a', bodyAt: whole.length, length: 5 });
  t.same(read(whole.slice(0, -1)), 'incomplete');
  t.same(read(`POST /a HTTP/1.1\r\nA: ${'x'.repeat(5_000)}`), undefined);
  const strange = [
    `GET /a HTTP/1.1\r\n${fields}\r\n`,
    `POST /a HTTP/1.0\r\n${fields}\r\n`,
    `POST  /a HTTP/1.1\r\n${fields}\r\n`,
    `POST https://x/a HTTP/1.1\r\n${fields}\r\n`,
    `POST /a/../b HTTP/1.1\r\n${fields}\r\n`,
    `\r\nPOST /a HTTP/1.1\r\n${fields}\r\n`,
    `POST /a HTTP/1.1\n${fields}\r\n`,
    whole.replace('Host: x\r\n', ''),
    whole.replace('Content-Length: 5\r\n', ''),
    whole.replace('application/json', 'text/plain'),
    ...['+5', '-5', '0x5', '5, 5', '5 5', '100000', ''].map((n) => whole.replace('Length: 5', `Length: ${n}`)),
    whole.replace('Host: x', 'Host : x'),
    whole.replace('Host: x', 'Host: x\r\n folded'),
    whole.replace('Host: x', 'Host: x\ny'),
    whole.replace('Host: x', 'Host: \u00e9'),
    whole.replace('Host: x', 'Host: x\0'),
    ...[
      'Content-Length: 5',
      'Transfer-Encoding: chunked',
      'Expect: 100-continue',
      'Connection: upgrade',
      'Content-Encoding: gzip',
      '__proto__: x',
      'constructor: x',
      'X-Any: x',
    ].map((more) => whole.replace('Host: x', `Host: x\r\n${more}`)),
  ];
  for (const head of strange) t.equal(read(head), undefined, JSON.stringify(head));
  t.end();
});

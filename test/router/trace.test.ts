/** W3C Trace Context: what engines get of a client's trace (https://www.w3.org/TR/trace-context/). */
import t, { type Test } from 'tap';
import type { Limits } from '../../router/limits.js';
import { routerLab, serverOf } from './lab.js';
import {
  answer,
  completion,
  connectClient,
  post,
  prefilled,
  type ScriptedEngine,
  scriptedEngine,
  subnet,
} from './support.js';

const ip = subnet('trace');
const ask = { model: 'tiny', messages: [{ role: 'user', content: 'Hello' }] };
const id = '4bf92f3577b34da6a3ce929d0e0e4736';
const parent = '00f067aa0ba902b7';
const line = /^traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\r$/im;

async function scene(t: Test, limits: Partial<Limits> = {}, startTraces = false) {
  const prefill = await scriptedEngine(t, ip(1), 0, ({ socket }) => void socket.write(answer(200, prefilled())));
  const decode = await scriptedEngine(
    t,
    ip(2),
    prefill.port,
    ({ socket }) => void socket.write(answer(200, completion('hello'))),
  );
  const pods = [
    { name: 'p0', ip: ip(1), role: 'prefill' },
    { name: 'd0', ip: ip(2), role: 'decode' },
  ];
  const lab = await routerLab(t, { pods, server: serverOf(prefill.port), limits, more: { startTraces } });
  let asked = 0;
  /** Sends one request with these header lines; returns the heads of both legs, and its access line. */
  const send = async (headers: string) => {
    asked += 1;
    const client = connectClient(lab.port, post(ask, `x-request-id: r${asked}\r\nconnection: close\r\n${headers}`));
    await client.ended;
    const logged = await lab.logged(`r${asked}`);
    return { legs: [lastHead(prefill), lastHead(decode)] as const, logged, text: client.text() };
  };
  return { lab, send };
}

const lastHead = ({ requests }: ScriptedEngine): string => requests.at(-1)?.head ?? '';
const spanIn = (head: string): readonly string[] => line.exec(head)?.slice(1) ?? [];
const repairs = async ({ metrics }: { metrics: { render(): Promise<string> } }): Promise<number> =>
  Number(/tandem_router_repairs_total\{what="traceparent"\} (\d+)/.exec(await metrics.render())?.[1] ?? 0);

t.test('a trace goes on: the same trace and flags, for each leg a span of its own', async (t) => {
  const { lab, send } = await scene(t);
  const state = 'tracestate: rojo=00f067aa0ba902b7,congo=t61rcWkgMzE\r\n';
  const { legs, logged } = await send(`Traceparent: 00-${id}-${parent}-01\r\n${state}tracestate: more=1\r\n`);
  const spans = legs.map(spanIn);
  for (const [trace, , flags] of spans) t.same([trace, flags], [id, '01']);
  t.equal(new Set([parent, ...spans.map(([, span]) => span)]).size, 3, 'spans differ from the parent and each other');
  for (const head of legs) {
    t.match(head, `\r\n${state}tracestate: more=1\r\n`, 'tracestate is passed on untouched, in its order');
    t.equal(head.match(/traceparent/gi)?.length, 1);
  }
  t.equal(logged['trace_id'], id);
  const unsampled = await send(`traceparent: 00-${id}-${parent}-00\r\n`);
  t.same(spanIn(unsampled.legs[0])[2], '00');
  t.equal(await repairs(lab), 0);
});

t.test('of a later version the part that is known counts, and unknown flags are left out', async (t) => {
  const { send } = await scene(t);
  const later = await send(`traceparent: cc-${id}-${parent}-ff-what-comes-later\r\n`);
  t.match(spanIn(later.legs[1]), [id, /./, '03']);
});

t.test('what is not legal begins a new trace, without the old state, and is counted', async (t) => {
  const { lab, send } = await scene(t);
  const broken = [
    `ff-${id}-${parent}-01`,
    `00-${id}-${parent}-01-more`,
    `00-${'0'.repeat(32)}-${parent}-01`,
    `00-${id}-${'0'.repeat(16)}-01`,
    `00-${id.toUpperCase()}-${parent}-01`,
    `00-${id.slice(1)}-${parent}-01`,
    `00-${id}-${parent}-1`,
    `00-${id}-${parent}-zz`,
    `cc-${id}-${parent}-01.more`,
    'nonsense',
    '',
  ].map((value) => `traceparent: ${value}\r\n`);
  const twice = `traceparent: 00-${id}-${parent}-01\r\n`.repeat(2);
  for (const headers of [...broken, twice]) {
    const { legs, logged } = await send(`${headers}tracestate: a=b\r\n`);
    const [trace = '', , flags] = spanIn(legs[0]);
    t.notSame(trace, id, headers.trim());
    t.match(trace, /^[0-9a-f]{32}$/);
    t.equal(flags, '01');
    t.equal(spanIn(legs[1])[0], trace, 'both legs are of one trace');
    t.equal(logged['trace_id'], trace);
    t.notMatch(legs.join(), /tracestate/);
  }
  t.equal(await repairs(lab), broken.length + 1);
});

t.test('none is invented, unless asked for', async (t) => {
  const { send } = await scene(t);
  const { legs, logged } = await send('');
  t.notMatch(legs.join(), /traceparent/);
  t.notOk('trace_id' in logged);
  const always = await scene(t, {}, true);
  const first = await always.send('');
  const second = await always.send('');
  const [a = '', b = ''] = [first, second].map(({ legs }) => spanIn(legs[0])[0]);
  t.match(a, /^[0-9a-f]{32}$/);
  t.not(a, b, 'each request has its own');
  t.equal(first.logged['trace_id'], a);
  const given = await always.send(`traceparent: 00-${id}-${parent}-01\r\n`);
  t.equal(spanIn(given.legs[0])[0], id);
});

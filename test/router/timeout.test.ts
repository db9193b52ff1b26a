/** `trafficPolicy.timeout` as its owner may write it. */
import t from 'tap';
import { directoryEvents } from '../../router/announce.js';
import type { ServerView } from '../../router/directory.js';
import { deadlinesOf } from '../../router/leg-terms.js';
import { defaultLimits } from '../../router/limits.js';
import type { Room } from '../../router/room.js';
import { RouterMetrics } from '../../router/router-metrics.js';
import { parseDuration } from '../../router/timeout.js';
import { LoadTable } from '../../src/core/pairing/load.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { serverOf } from './lab.js';
import { decodeOk, prefillOk, request, scene } from './pair-scene.js';

t.test('a duration is read as Go reads it', (t) => {
  for (const [text, ms] of [
    ['0', 0],
    ['0s', 0],
    ['1.5s', 1500],
    ['1m30s', 90_000],
    ['250us', 0.25],
    ['5', undefined],
    ['', undefined],
    ['soon', undefined],
  ] as const) {
    t.equal(parseDuration(text), ms, text);
  }
  t.end();
});

t.test('what it bounds', (t) => {
  const limits = { ...defaultLimits, connectMs: 3000, prefillMs: 300_000, idleMs: 60_000 };
  const deadlines = (timeout: string) =>
    deadlinesOf({ limits } as Room, { server: serverOf(1, { trafficPolicy: { timeout } }) } as ServerView, 'prefill');
  t.same(deadlines('soon'), { connect: 3000, head: 300_000, idle: 60_000 }, 'no duration: as if there were none');
  t.same(deadlines('2s'), { connect: 2000, head: 2000, idle: 60_000 });
  t.same(deadlines('10s'), { connect: 3000, head: 10_000, idle: 60_000 });
  for (const none of ['0', '0s']) t.same(deadlines(none), { connect: 3000, head: 0, idle: 60_000 }, 'no limit');
  t.end();
});

t.test('a timeout longer than a timer can count does not wake the router at every moment', async (t) => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error) => void warnings.push(name);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const spec = { trafficPolicy: { timeout: '1000h' } };
  const { lab } = await scene(t, { prefill: [prefillOk], decode: [decodeOk], spec });
  t.match(await request(lab), { status: 200 });
  t.same(warnings, []);
});

t.test('what its owner is told of a timeout', (t) => {
  const said = (timeout: string) => {
    const texts: string[] = [];
    const warn = (_: string, text: string) => void texts.push(text);
    const { onView } = directoryEvents(warn, new RouterMetrics(new Metrics()), new LoadTable());
    onView({ name: 'default/m', server: serverOf(1, { trafficPolicy: { timeout } }), isPd: false } as ServerView);
    return texts.join();
  };
  t.match(said('soon'), /timeout soon is no duration/);
  t.match(said('10s'), /timeout 10s ends every request/);
  t.equal(said('300s') + said('0') + said('0s'), '', 'none is not short');
  t.end();
});

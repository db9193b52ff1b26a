/** What the log and the metrics say of a request that did not end well: whose side it was. */
import t from 'tap';
import { ask, decodeOk, first, prefillOk, scene } from './pair-scene.js';
import { connectClient, event, flood, post, type Script, sseHead, token } from './support.js';

const silent: Script = () => undefined;
const begins: Script = ({ socket }) => void socket.write(sseHead + event(token('a')));

t.test('a client that leaves', async (t) => {
  for (const [when, prefill, leg] of [
    ['during prefill', silent, 0],
    ['while decode is silent', prefillOk, 1],
  ] as const) {
    t.test(`${when} is no failure of an engine`, async (t) => {
      const { lab, p, d } = await scene(t, { prefill: [prefill], decode: [silent] });
      const client = connectClient(lab.port, post(ask, 'x-request-id: left\r\n'));
      await first(leg === 0 ? p : d);
      client.leave();
      const line = await lab.logged('left');
      t.match(line, { status: 499, ended: 'client-left' });
      t.notOk('error' in line, String(line['error']));
    });
  }

  t.test('in the middle of its answer is no broken answer', async (t) => {
    const { lab } = await scene(t, { prefill: [prefillOk], decode: [begins] });
    const client = connectClient(lab.port, post({ ...ask, stream: true }, 'x-request-id: left\r\n'));
    await client.received('"content":"a"');
    client.leave();
    const line = await lab.logged('left');
    t.match(line, { status: 200, ended: 'client-left', legs: [{}, { outcome: 'aborted' }] });
    t.notOk('error' in line, String(line['error']));
  });

  t.test('in the middle of its body is counted once', async (t) => {
    const { lab } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
    const client = connectClient(lab.port, post(ask, 'x-request-id: half\r\nexpect: 100-continue\r\n').slice(0, -5));
    await client.received('100 Continue');
    client.leave();
    const line = await lab.logged('half');
    t.match(line, { status: 499, ended: 'client-left' });
    t.notOk('error' in line, String(line['error']));
    const metrics = await lab.metrics.render();
    t.match(metrics, /requests_total\{model="unknown",status="499"\} 1\n/);
    t.notMatch(metrics, /refused_total\{/);
  });
});

t.test('a client that is given up because it reads nothing is no failure of an engine', async (t) => {
  const { lab, d } = await scene(t, { prefill: [prefillOk], decode: [flood], limits: { slowClientMs: 100 } });
  const client = connectClient(lab.port, post({ ...ask, stream: true }, 'x-request-id: slow\r\n'));
  await client.received('data:');
  client.pause();
  await (await first(d)).gone;
  const line = await lab.logged('slow');
  t.match(line, { status: 200, ended: 'client-left', error: 'slow-client', legs: [{}, { outcome: 'slow-client' }] });
  client.resume();
  await client.ended;
});

t.test('an engine that breaks off is', async (t) => {
  const { lab, d } = await scene(t, { prefill: [prefillOk], decode: [begins] });
  const client = connectClient(lab.port, post({ ...ask, stream: true }, 'x-request-id: broken\r\n'));
  await client.received('"content":"a"');
  (await first(d)).socket.destroy();
  t.match(await lab.logged('broken'), {
    status: 200,
    ended: 'failed',
    error: 'answer-broken',
    legs: [{}, { outcome: 'broken' }],
  });
  client.leave();
});

/** A first leg that still holds what a router takes out, or that is given up. */
import t from 'tap';
import { ask, pairFor, prompt, said } from './support.js';

void t.test('leg 1 that a router has not cleaned', async (t) => {
  const params = { kv_transfer_params: { do_remote_decode: true, do_remote_prefill: false } };
  await t.test('with stream: true answers without params and keeps the blocks', async (t) => {
    const pair = await pairFor(t);
    const { status, text } = await ask(pair.prefill, { messages: prompt('a'), max_tokens: 1, stream: true, ...params });
    t.equal(status, 200);
    t.notMatch(text, /remote_block_ids/);
    t.ok(pair.blocksHeld() > 0);
  });

  await t.test('with n: 2 keeps two allocations and names one', async (t) => {
    const pair = await pairFor(t);
    const body = { messages: prompt('a'), max_tokens: 1, n: 2, temperature: 1, ...params };
    const { json } = await ask(pair.prefill, body);
    await ask(pair.decode, { messages: prompt('a'), kv_transfer_params: json.kv_transfer_params });
    t.equal(pair.prefill.stats().handovers.length, 1, 'the other choice is stranded until the lease ends');
  });

  await t.test('with max_completion_tokens left in generates that many', async (t) => {
    const pair = await pairFor(t);
    const { json } = await ask(pair.prefill, {
      messages: prompt('a'),
      max_tokens: 1,
      max_completion_tokens: 9,
      ...params,
    });
    t.equal(json.usage['completion_tokens'], 9);
  });

  await t.test('that ends by a stop string hands over all the same', async (t) => {
    const pair = await pairFor(t);
    const first = said(await ask(pair.prefill, { messages: prompt('a'), max_tokens: 1 }));
    const { json } = await ask(pair.prefill, { messages: prompt('a'), max_tokens: 1, stop: [first], ...params });
    t.match(json.choices, [{ message: { content: '' }, finish_reason: 'stop', stop_reason: first }]);
    t.match(json.kv_transfer_params, { remote_block_ids: [[1]] });
  });

  await t.test('abandoned during the prefill strands nothing', async (t) => {
    const pair = await pairFor(t, { prefill: { timing: { prefillMsPerToken: 1000 } } });
    const leaving = new AbortController();
    const left = ask(pair.prefill, { messages: prompt('a'), max_tokens: 1, ...params }, { signal: leaving.signal });
    await pair.prefill.untilSeen((seen) => seen.length === 1);
    leaving.abort();
    await t.rejects(left);
    await pair.prefill.untilSeen((seen) => seen[0]?.ended === 'aborted');
    t.equal(pair.prefill.stats().blocksUsed, 0);
  });
});

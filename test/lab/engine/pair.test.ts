/** What a prefill and a decode engine do to those who use them rightly and wrongly, on real sockets. */
import t from 'tap';
import { EngineNetwork } from '../../../src/lab/engine/network.js';
import { ask, engineFor, once, pairFor, prefill, prompt, said } from './support.js';

void t.test('a pair of engines', async (t) => {
  await t.test('says together what one engine says alone, and strands nothing', async (t) => {
    const pair = await pairFor(t);
    const alone = await ask(pair.prefill, { messages: prompt('a'), max_tokens: 12 });
    const handover = await prefill(pair, prompt('a'));
    t.ok(pair.blocksHeld() > 0, 'prefill keeps the blocks until decode has read them');
    const together = await ask(pair.decode, { messages: prompt('a'), max_tokens: 12, kv_transfer_params: handover });
    t.equal(said(together), said(alone));
    t.same(together.json.usage, alone.json.usage);
    t.equal(pair.blocksHeld(), 0);
    t.equal(pair.prefill.stats().blocksUsed, 0);
  });

  await t.test('says the same under sixteen requests at once, through a queue and a full KV cache', async (t) => {
    const pair = await pairFor(t, { both: { maxNumSeqs: 3, blocks: 64, maxModelLen: 512 } });
    const alone = await engineFor(t, { host: '127.0.1.3' });
    const texts = await Promise.all(
      Array.from({ length: 16 }, async (_, n) => {
        const messages = prompt(`request ${n}`);
        const handover = await prefill(pair, messages, `r${n}`);
        const together = await ask(pair.decode, { messages, max_tokens: 20, kv_transfer_params: handover });
        return [said(together), said(await ask(alone, { messages, max_tokens: 20 }))];
      }),
    );
    for (const [together, single] of texts) t.equal(together, single);
    t.equal(pair.blocksHeld() + pair.prefill.stats().blocksUsed + pair.decode.stats().blocksUsed, 0);
    t.equal(pair.decode.stats().wrongTexts, 0);
  });

  await t.test('answers 200 with the text of another prompt when a hand-over is used for it', async (t) => {
    const pair = await pairFor(t);
    const right = await ask(pair.prefill, { messages: prompt('a'), max_tokens: 12 });
    const own = await ask(pair.prefill, { messages: prompt('b'), max_tokens: 12 });
    const handover = await prefill(pair, prompt('a'));
    const wrong = await ask(pair.decode, { messages: prompt('b'), max_tokens: 12, kv_transfer_params: handover });
    t.equal(wrong.status, 200);
    t.equal(said(wrong), said(right));
    t.not(said(wrong), said(own));
    t.equal(pair.decode.stats().wrongTexts, 1, 'only the simulator knows');
  });

  await t.test('answers right with a hand-over used twice, until its blocks belong to another prompt', async (t) => {
    const pair = await pairFor(t, { both: { blocks: 40, maxModelLen: 512 } });
    const handover = await prefill(pair, prompt('a'));
    const leg2 = { messages: prompt('a'), max_tokens: 12, kv_transfer_params: handover };
    const first = await ask(pair.decode, leg2);
    t.equal(said(await ask(pair.decode, leg2)), said(first));
    for (const other of ['b', 'c', 'd', 'e', 'f']) await ask(pair.prefill, { messages: prompt(other), max_tokens: 2 });
    const late = await ask(pair.decode, leg2);
    t.equal(late.status, 200);
    t.not(said(late), said(first), 'the blocks were handed out again');
  });

  await t.test(
    'frees what nobody fetched when the lease is over, and keeps it while decode has the request queued',
    async (t) => {
      const time = { at: 1000 };
      const clock = { now: () => time.at };
      const both = { clock, leaseMs: 30_000, maxNumSeqs: 1, timing: { tokenMs: 1, handshakeTimeoutMs: 10 } };
      const pair = await pairFor(t, { both });
      await prefill(pair, prompt('a'));
      time.at += 30_001;
      t.equal(pair.blocksHeld(), 0);
      t.equal(pair.prefill.stats().expired, 1);
      const handover = await prefill(pair, prompt('b'));
      const busy = ask(pair.decode, { messages: prompt('long'), max_tokens: 200, ignore_eos: true });
      await pair.decode.untilSeen((seen) => seen.length === 1);
      const queued = ask(pair.decode, { messages: prompt('b'), max_tokens: 4, kv_transfer_params: handover });
      await pair.decode.untilSeen((seen) => seen.length === 2);
      await once(() => pair.decode.stats().waiting === 1);
      time.at += 60_000;
      t.ok(pair.blocksHeld() > 0, 'heartbeats renew the lease');
      await busy;
      t.equal((await queued).status, 200);
      t.equal(pair.blocksHeld(), 0);
    },
  );

  await t.test('frees the hand-over at once when the client leaves decode before it was read', async (t) => {
    const pair = await pairFor(t, { decode: { maxNumSeqs: 1 } });
    const handover = await prefill(pair, prompt('a'));
    const busy = ask(pair.decode, { messages: prompt('long'), max_tokens: 100, ignore_eos: true });
    await pair.decode.untilSeen((seen) => seen.length === 1);
    const leaving = new AbortController();
    const left = ask(pair.decode, { messages: prompt('a'), kv_transfer_params: handover }, { signal: leaving.signal });
    await pair.decode.untilSeen((seen) => seen.length === 2);
    leaving.abort();
    await t.rejects(left);
    await pair.decode.untilSeen((seen) => seen[1]?.ended === 'aborted');
    t.equal(pair.blocksHeld(), 0);
    await busy;
  });

  for (const [title, change, held] of [
    ['after parsing gives the hand-over back', { max_tokens: 1_000_000 }, false],
    ['by schema leaves it to the lease', { max_tokens: 1.5 }, true],
  ] as const) {
    await t.test(`a decode that refuses ${title}`, async (t) => {
      const pair = await pairFor(t);
      const handover = await prefill(pair, prompt('a'));
      const refused = await ask(pair.decode, { messages: prompt('a'), kv_transfer_params: handover, ...change });
      t.equal(refused.status, 400);
      t.equal(pair.blocksHeld() > 0, held);
    });
  }

  await t.test('fails only the request whose hand-over leads nowhere', async (t) => {
    const pair = await pairFor(t);
    const changes: Record<string, object> = {
      'another engine id': { remote_engine_id: 'x' },
      'nobody at the port': { remote_engine_id: 'y', remote_port: 1 },
      'a loopback name, which is decode itself': { remote_engine_id: 'z', remote_host: 'localhost' },
      'a wildcard, which is decode itself': { remote_engine_id: 'z', remote_host: '0.0.0.0' },
    };
    for (const [what, change] of Object.entries(changes)) {
      const handover = await prefill(pair, prompt('a'));
      const answer = await ask(pair.decode, { messages: prompt('a'), kv_transfer_params: { ...handover, ...change } });
      t.match(answer, { status: 500, text: /"Internal server error"/ }, what);
    }
    t.ok(pair.decode.stats().isAlive);
    t.ok(pair.blocksHeld() > 0, 'prefill was never told');
  });

  await t.test('that advertises a wildcard address makes decode dial itself', async (t) => {
    const pair = await pairFor(t, { both: { advertisedHost: '0.0.0.0' } });
    const handover = await prefill(pair, prompt('a'));
    t.equal(handover['remote_host'], '0.0.0.0');
    const leg2 = { messages: prompt('a'), kv_transfer_params: handover };
    t.equal((await ask(pair.decode, leg2)).status, 500);
    const rewritten = { ...handover, remote_host: '127.0.1.1' };
    t.equal(
      (await ask(pair.decode, { ...leg2, kv_transfer_params: rewritten })).status,
      200,
      'what a router can repair',
    );
  });

  await t.test('recomputes instead when kv_load_failure_policy says so', async (t) => {
    const pair = await pairFor(t, { decode: { loadFailurePolicy: 'recompute' } });
    const handover = await prefill(pair, prompt('a'));
    const answer = await ask(pair.decode, {
      messages: prompt('a'),
      max_tokens: 8,
      kv_transfer_params: { ...handover, remote_engine_id: 'x' },
    });
    t.equal(said(answer), said(await ask(pair.prefill, { messages: prompt('a'), max_tokens: 8 })));
  });

  for (const [what, params] of Object.entries({
    'do_remote_prefill alone': () => ({ do_remote_prefill: true }),
    'both booleans': (handover: object) => ({ ...handover, do_remote_decode: true }),
    'fewer blocks than the prompt needs': (handover: object) => ({ ...handover, remote_block_ids: [[1]] }),
  })) {
    await t.test(`dies of ${what}: every request fails, and so does its health`, async (t) => {
      const pair = await pairFor(t);
      const handover = await prefill(pair, prompt('a'));
      const other = ask(pair.decode, { messages: prompt('other'), max_tokens: 500, ignore_eos: true });
      await pair.decode.untilSeen((seen) => seen.length === 1);
      const killer = await ask(pair.decode, { messages: prompt('a'), kv_transfer_params: params(handover) });
      for (const answer of [killer, await other, await ask(pair.decode, { messages: prompt('later') })]) {
        t.match(answer, { status: 500, text: /EngineCore encountered an issue/ });
      }
      t.equal((await fetch(`${pair.decode.url}/health`, { headers: { connection: 'close' } })).status, 503);
      t.ok(pair.prefill.stats().isAlive);
    });
  }

  await t.test('hangs without remote_request_id and dies when that client leaves', async (t) => {
    const pair = await pairFor(t);
    const { remote_request_id: _, ...handover } = await prefill(pair, prompt('a'));
    const leaving = new AbortController();
    const hung = ask(pair.decode, { messages: prompt('a'), kv_transfer_params: handover }, { signal: leaving.signal });
    await pair.decode.untilSeen((seen) => seen.length === 1);
    t.ok(pair.decode.stats().isAlive);
    leaving.abort();
    await t.rejects(hung);
    await pair.decode.untilSeen((seen) => seen[0]?.ended !== 'pending');
    t.notOk(pair.decode.stats().isAlive);
  });

  await t.test('finds a prefill that came back under the same address with a new id', async (t) => {
    const network = new EngineNetwork();
    const pair = await pairFor(t, { network });
    const old = await prefill(pair, prompt('a'));
    t.equal((await ask(pair.decode, { messages: prompt('a'), kv_transfer_params: old })).status, 200);
    const { port } = pair.prefill.address;
    await pair.prefill.kill();
    t.equal((await ask(pair.decode, { messages: prompt('a'), kv_transfer_params: old })).status, 500);
    const again = await engineFor(t, { port, connector: 'nixl', network });
    const handover = await prefill({ ...pair, prefill: again }, prompt('a'));
    t.equal((await ask(pair.decode, { messages: prompt('a'), kv_transfer_params: handover })).status, 200);
  });

  await t.test('of MooncakeConnectorV1 speaks the same legs with its own keys', async (t) => {
    const pair = await pairFor(t, { both: { connector: 'mooncake-v1', sideChannelPort: 20_001 } });
    const handover = await prefill(pair, prompt('a'));
    t.same(Object.keys(handover), [
      'do_remote_prefill',
      'do_remote_decode',
      'remote_block_ids',
      'remote_engine_id',
      'remote_request_id',
      'remote_host',
      'remote_port',
      'remote_pcp_size',
      'remote_dcp_size',
      'remote_ptp_size',
      'last_token_id',
      'remote_multi_nodes_meta_mapping',
      'num_prompt_blocks',
      'remote_block_size',
    ]);
    t.equal((await ask(pair.decode, { messages: prompt('a'), kv_transfer_params: handover })).status, 200);
    t.equal(pair.blocksHeld(), 0);
  });
});

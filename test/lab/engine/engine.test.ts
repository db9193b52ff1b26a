/** What the simulated engine does to those who use it rightly and wrongly, on real sockets. */
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { Faults } from '../../../src/lab/engine/faults.js';
import { findJsonError } from '../../../src/lab/engine/json-error.js';
import { EngineNetwork } from '../../../src/lab/engine/network.js';
import type { EngineOptions } from '../../../src/lab/engine/options.js';
import { type Engine, startEngine } from '../../../src/lab/engine/start.js';
import { type Pair, type PairOptions, startPair } from '../../../src/lab/pairs.js';

const never = new AbortController().signal;
const prompt = (text: string) => [{ role: 'user', content: `${text} ${'the quick brown fox '.repeat(20)}` }];

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: {
    readonly choices: readonly { readonly message: { readonly content: string }; readonly finish_reason: string }[];
    readonly usage: Readonly<Record<string, number>>;
    readonly kv_transfer_params: Record<string, unknown>;
  };
}

async function ask(engine: Engine, body: object, init: { signal?: AbortSignal; id?: string } = {}): Promise<Answer> {
  const response = await fetch(`${engine.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(init.id && { 'x-request-id': init.id }) },
    body: JSON.stringify({ temperature: 0, ...body }),
    ...(init.signal && { signal: init.signal }),
  });
  const text = await response.text();
  return {
    status: response.status,
    text,
    json: text.startsWith('{') ? (JSON.parse(text) as Answer['json']) : ({} as never),
  };
}

/** Resolves when the condition holds, looked at once per turn of the event loop. */
async function once(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const said = (answer: Answer): string => answer.json.choices[0]?.message.content ?? '';

/** Leg 1 of a request: one token, and the hand-over of its KV. */
async function prefill(pair: Pair, messages: object, id = 'r'): Promise<Record<string, unknown>> {
  const kv_transfer_params = { do_remote_decode: true, do_remote_prefill: false };
  const answer = await ask(pair.prefill, { messages, max_tokens: 1, kv_transfer_params }, { id });
  return answer.json.kv_transfer_params;
}

async function pairFor(t: Test, options: PairOptions = {}): Promise<Pair> {
  const pair = await startPair(
    { ...options, both: { timing: { handshakeTimeoutMs: 10, tokenMs: 1 }, ...options.both } },
    never,
  );
  t.teardown(() => pair.stop());
  return pair;
}

async function engineFor(t: Test, options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await startEngine({ host: '127.0.1.1', port: 0, models: ['tiny'], ...options }, never);
  t.teardown(() => engine.stop());
  return engine;
}

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

void t.test('an engine', async (t) => {
  await t.test('aborts a stream whose client leaves, and frees its blocks', async (t) => {
    const engine = await engineFor(t);
    const leaving = new AbortController();
    const body = JSON.stringify({ messages: prompt('a'), stream: true, max_tokens: 5000, ignore_eos: true });
    const headers = { 'content-type': 'application/json' };
    const stream = await fetch(`${engine.url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body,
      signal: leaving.signal,
    });
    await stream.body?.getReader().read();
    t.equal(engine.stats().running, 1);
    leaving.abort();
    await engine.untilSeen((seen) => seen[0]?.ended === 'aborted');
    t.match(engine.stats(), { running: 0, blocksUsed: 0, finished: { abort: 1 } });
  });

  await t.test('that is stopped ends its streams cleanly with finish_reason abort', async (t) => {
    const engine = await engineFor(t);
    const answer = ask(engine, { messages: prompt('a'), stream: true, max_tokens: 5000, ignore_eos: true });
    await engine.untilSeen((seen) => seen.length === 1 && seen[0]?.text !== undefined);
    await engine.stop();
    t.match((await answer).text, /"finish_reason":"abort"[^\n]*\n\ndata: \[DONE\]/);
    t.same(await engine.exited, { code: 0, reason: 'stopped' });
    await t.rejects(ask(engine, { messages: prompt('a') }), 'nobody listens any more');
  });

  await t.test('that is killed resets its connections', async (t) => {
    const engine = await engineFor(t);
    const answer = ask(engine, { messages: prompt('a'), max_tokens: 5000, ignore_eos: true });
    await engine.untilSeen((seen) => seen.length === 1);
    await Promise.all([t.rejects(answer), engine.kill()]);
    t.same(await engine.exited, { code: 137, reason: 'killed' });
  });

  await t.test('ends its process after its core died, when it is told to behave like one', async (t) => {
    const engine = await engineFor(t, { exitWhenDead: true, timing: { deathMs: 1 } });
    engine.die('assertion');
    t.same(await engine.exited, { code: 1, reason: 'assertion' });
  });

  await t.test('closes an idle connection, and announces no keep-alive', async (t) => {
    const engine = await engineFor(t, { timing: { keepAliveMs: 1020 } });
    const text = await new Promise<string>((resolve) => {
      const socket = connect(engine.address, () => socket.write('GET /ping HTTP/1.1\r\nhost: x\r\n\r\n'));
      let heard = '';
      socket.on('data', (part: Buffer) => {
        heard += part.toString();
      });
      socket.on('close', () => resolve(heard));
    });
    t.match(text, /^HTTP\/1.1 200 OK\r\nserver: uvicorn/);
    t.notMatch(text.toLowerCase(), /keep-alive/);
  });

  await t.test('lets requests wait when its sequences are all taken, and counts them', async (t) => {
    const engine = await engineFor(t, { maxNumSeqs: 1 });
    const both = [1, 2].map(() => ask(engine, { messages: prompt('a'), max_tokens: 30 }));
    await engine.untilSeen((seen) => seen.length === 2);
    await once(() => engine.stats().waiting === 1);
    const metrics = await (await fetch(`${engine.url}/metrics`, { headers: { connection: 'close' } })).text();
    t.match(metrics, /vllm:num_requests_running\{[^}]*\} 1/);
    t.match(metrics, /vllm:num_requests_waiting\{[^}]*\} 1/);
    t.same(
      (await Promise.all(both)).map(({ status }) => status),
      [200, 200],
    );
  });

  await t.test('refuses to start on what cannot work, and says what to do', async (t) => {
    const engine = await engineFor(t, { connector: 'nixl' });
    const network = new EngineNetwork();
    const start = (options: Partial<EngineOptions>) =>
      startEngine({ host: '127.0.1.1', port: 0, models: ['m'], ...options }, never);
    await t.rejects(start({ port: engine.address.port }), /already in use; stop the other process/);
    await t.rejects(start({ models: [] }), /needs at least one model name/);
    await t.rejects(start({ blocks: 2 }), /give more blocks or a smaller maxModelLen/);
    const first = await engineFor(t, { connector: 'nixl', network });
    await t.rejects(start({ connector: 'nixl', network }), /give each engine of one address its own side-channel port/);
    await first.stop();
    const second = await start({ connector: 'nixl', network });
    await second.stop();
  });
});

void t.test('faults', async (t) => {
  const faults = new Faults();
  const engine = await engineFor(t, { faults, timing: { tokenMs: 1 } });
  const body = { messages: prompt('a'), max_tokens: 8 };

  await t.test('status: the next requests get it, later ones do not', async (t) => {
    faults.next({ kind: 'status', status: 503, headers: { 'retry-after': '1' } }, 2);
    t.same(
      [(await ask(engine, body)).status, (await ask(engine, body)).status, (await ask(engine, body)).status],
      [503, 503, 200],
    );
  });
  await t.test('reset: before the first byte', async (t) => {
    faults.next({ kind: 'reset' });
    await t.rejects(ask(engine, body));
  });
  await t.test('truncate: a stream breaks off after some chunks', async (t) => {
    faults.next({ kind: 'truncate', afterChunks: 3 });
    await t.rejects(ask(engine, { ...body, stream: true }));
  });
  await t.test('hang and stall: until the client gives up', async (t) => {
    for (const fault of [{ kind: 'hang' }, { kind: 'stall', afterChunks: 2 }] as const) {
      const met = engine.seen().length;
      faults.next(fault);
      const leaving = new AbortController();
      const answer = ask(engine, { ...body, stream: true }, { signal: leaving.signal });
      await engine.untilSeen(
        (seen) => seen.length === met + 1 && (fault.kind === 'hang' || seen[met]?.ended === 'finished'),
      );
      leaving.abort();
      await t.rejects(answer);
    }
  });
});

void t.test('a body that is not JSON is explained as Python would', (t) => {
  const cases: Record<string, [number, string]> = {
    '': [0, 'Expecting value'],
    '{"a":1,}': [7, 'Expecting property name enclosed in double quotes'],
    '{"a" 1}': [5, "Expecting ':' delimiter"],
    '{"a":1 "b"}': [7, "Expecting ',' delimiter"],
    '[1,]': [3, 'Expecting value'],
    '{"a":"b': [5, 'Unterminated string starting at'],
    '{} x': [3, 'Extra data'],
  };
  for (const [text, [at, message]] of Object.entries(cases)) t.same(findJsonError(text), { at, message }, text);
  t.end();
});

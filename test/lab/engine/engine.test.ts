/** What one simulated engine does to its clients, and how it starts and ends, on real sockets. */
import { connect } from 'node:net';
import t from 'tap';
import { EngineNetwork } from '../../../src/lab/engine/network.js';
import type { EngineOptions } from '../../../src/lab/engine/options.js';
import { startEngine } from '../../../src/lab/engine/start.js';
import { ask, engineFor, never, once, prompt } from './support.js';

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

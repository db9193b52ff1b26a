/** Faults that a test puts before the next requests of an engine. */
import t from 'tap';
import { Faults } from '../../../src/lab/engine/faults.js';
import { ask, engineFor, prompt } from './support.js';

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

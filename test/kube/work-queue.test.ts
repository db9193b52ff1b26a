import t from 'tap';
import { WorkQueue } from '../../src/kube/work-queue.js';
import { silentLogger } from '../../src/telemetry/log.js';

t.test('a work queue', async (t) => {
  const open = (work: (key: string) => Promise<{ again?: number } | undefined>, workers = 4) => {
    const control = new AbortController();
    t.teardown(() => control.abort());
    return new WorkQueue({ work, workers, signal: control.signal, logger: silentLogger, backoff: () => 1 });
  };

  t.test('works once on a key that was added often, and again when it was added meanwhile', async (t) => {
    const rounds: string[] = [];
    let release: () => void = () => undefined;
    const queue = open(async (key) => {
      rounds.push(key);
      if (rounds.length === 1) await new Promise<void>((resolve) => (release = resolve));
      return undefined;
    });
    for (let n = 0; n < 5; n++) queue.add('a');
    await new Promise(setImmediate);
    t.same(rounds, ['a']);
    queue.add('a');
    queue.add('a');
    release();
    await queue.idle();
    t.same(rounds, ['a', 'a']);
  });

  t.test('never works twice at once on one key, nor on more keys than it has workers', async (t) => {
    const active = new Set<string>();
    let most = 0;
    const queue = open(async (key) => {
      t.notOk(active.has(key));
      active.add(key);
      most = Math.max(most, active.size);
      await new Promise(setImmediate);
      active.delete(key);
      return undefined;
    }, 3);
    for (let n = 0; n < 40; n++) queue.add(`k${n % 10}`);
    await queue.idle();
    t.equal(most, 3);
  });

  t.test('repeats what failed, and what asked for another round', async (t) => {
    const rounds: string[] = [];
    const done = new Promise<void>((resolve) => {
      const queue = open(async () => {
        rounds.push('round');
        if (rounds.length < 3) throw new Error('not yet');
        if (rounds.length === 3) return { again: 1 };
        resolve();
        return undefined;
      });
      queue.add('a');
    });
    await done;
    t.equal(rounds.length, 4);
  });

  t.test('that is stopped waits for running work and starts none', async (t) => {
    let ended = false;
    const rounds: string[] = [];
    const queue = open(async (key) => {
      rounds.push(key);
      await new Promise(setImmediate);
      ended = true;
      return undefined;
    }, 1);
    queue.add('a');
    queue.add('b');
    queue.addAfter('c', 1);
    await new Promise(process.nextTick);
    await queue.stop();
    t.ok(ended);
    queue.add('d');
    t.same(rounds, ['a']);
  });
});

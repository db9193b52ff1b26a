/** The primary of `tandem router --workers N`, with workers that do what a test says. */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { Message } from '../../../src/cli/workers/line.js';
import { startWorkers } from '../../../src/cli/workers/primary.js';
import type { Logger } from '../../../src/telemetry/log.js';
import type { Order, Told } from './puppet.js';

const listening: Message = { is: 'listening', host: '127.0.0.1', port: 1 };
const load = (uid: string): Message => ({ is: 'batch', batch: { load: [[uid, 1, 10, 0]], prefixes: [] } });

interface Puppet {
  readonly worker: Worker;
  readonly heard: Message[];
  say(message: Message): void;
  leave(): Promise<unknown>;
  /** Resolves when it has heard a message like this. */
  hears(wanted: (message: Message) => boolean): Promise<void>;
}

/** Starts a primary whose workers are puppets. The puppets come in the order of their birth. */
function crew(t: Test, count: number) {
  cluster.setupPrimary({ exec: fileURLToPath(new URL('puppet.js', import.meta.url)), args: [], cwd: process.cwd() });
  const puppets = new Map<number, Puppet>();
  const waiting = new Set<() => void>();
  const logged: string[] = [];
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!holds()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  const onMessage = (worker: Worker, told: Told | Message) => {
    if ('born' in told) puppets.set(worker.id, puppetOf(worker, until));
    if ('heard' in told) puppets.get(worker.id)?.heard.push(told.heard);
    for (const look of [...waiting]) look();
  };
  cluster.on('message', onMessage);
  const logger = { error: (facts: { how: string }) => void logged.push(facts.how) } as unknown as Logger;
  const abort = new AbortController();
  const options = { count, metricsListen: { host: '127.0.0.1', port: 0 }, drainMs: 100, logger };
  const started = startWorkers(options, abort.signal);
  t.teardown(async () => {
    abort.abort();
    await (await started.catch(() => undefined))?.stop();
    cluster.off('message', onMessage);
  });
  const born = async (index: number): Promise<Puppet> => {
    await until(() => puppets.size > index);
    return [...puppets.values()][index] as Puppet;
  };
  return { started, born, logged };
}

function puppetOf(worker: Worker, until: (holds: () => boolean) => Promise<void>): Puppet {
  const heard: Message[] = [];
  const order = (order: Order) => void worker.send(order);
  return {
    worker,
    heard,
    say: (say) => order({ say }),
    leave: () => {
      const gone = once(worker, 'exit');
      order({ leave: true });
      return gone;
    },
    hears: (wanted) => until(() => heard.some(wanted)),
  };
}

t.test('of a worker that dies while others start, nothing is left with those that have started', async (t) => {
  const { started, born } = crew(t, 3);
  const first = await born(0);
  first.say({ is: 'joined' });
  first.say(listening);
  const [second, third] = [await born(1), await born(2)];
  second.say({ is: 'joined' });
  second.say(load('a'));
  second.say(listening);
  await first.hears((message) => JSON.stringify(message).includes('"a"'));
  await second.leave();
  third.say(load('b'));
  third.say(listening);
  await first.hears((message) => JSON.stringify(message).includes('"b"'));
  t.match(first.heard.slice(1), [{ is: 'gone', worker: second.worker.id }, { is: 'batches' }]);
  await started;
  await born(3);
});

for (const [what, broken] of [
  ['fails at once', { args: ['x'.repeat(200_000)] }],
  ['fails after a while', { cwd: '/nonexistent' }],
] as const) {
  t.test(`a worker whose start ${what}`, async (t) => {
    t.test('ends a router that starts', async (t) => {
      const { started, born } = crew(t, 2);
      const first = await born(0);
      cluster.setupPrimary(broken);
      first.say(listening);
      await t.rejects(started, { code: 'worker-not-started', message: /spawn.*E/ });
    });

    t.test('is tried again in a router that runs', async (t) => {
      const { started, born, logged } = crew(t, 1);
      const first = await born(0);
      first.say(listening);
      await started;
      cluster.setupPrimary(broken);
      await first.leave();
      while (logged.length < 2) await new Promise(setImmediate);
      cluster.setupPrimary({ args: [], cwd: process.cwd() });
      await born(1);
      t.match(logged, ['code 0', /spawn.*E/]);
    });
  });
}

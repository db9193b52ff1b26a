/** Several workers of one router, each with its own table: what they tell each other adds up to one view. */
import fc from 'fast-check';
import t from 'tap';
import type { Endpoint } from '../../../src/core/pairing/endpoint.js';
import { LoadTable, type Reservation } from '../../../src/core/pairing/load.js';
import { LoadBoard } from '../../../src/core/pairing/load-board.js';
import { boundaries, loadPrefixHasher, PrefixIndex } from '../../../src/core/pairing/prefix.js';

const pod = (uid: string): Endpoint => ({
  uid,
  name: uid,
  namespace: 'ns',
  ip: '10.0.0.1',
  port: 8000,
  tls: false,
  group: 'g',
  side: 'prefill',
  fingerprint: undefined,
  domains: {},
  dialect: undefined,
});
const p0 = pod('p0');
const d0 = pod('d0');

function sharing(): { table: LoadTable; woken: () => number } {
  const table = new LoadTable();
  let woken = 0;
  table.share(() => {
    woken += 1;
  });
  return { table, woken: () => woken };
}

t.test('nothing is kept for others until somebody shares', (t) => {
  const table = new LoadTable();
  table.reserve(p0, d0, 10);
  t.same(table.changes(), []);
  t.end();
});

t.test('the first change wakes the sender, and each pod is told once with its latest state', (t) => {
  const { table, woken } = sharing();
  const place = table.reserve(p0, d0, 10);
  place.prefillDone();
  table.reserve(p0, d0, 7);
  t.equal(woken(), 1);
  t.same(table.changes(), [
    ['p0', 1, 7, 0],
    ['d0', 2, 0, 0],
  ]);
  t.same(table.changes(), [], 'and no more until it changes again');
  place.release();
  t.equal(woken(), 2);
  t.same(table.changes(), [['d0', 1, 0, 0]]);
  t.end();
});

t.test('what others hold counts like what is held here, and is not told on', (t) => {
  const { table } = sharing();
  table.takeFrom(2, [['p0', 3, 500, 0]]);
  t.match(table.of(p0), { inFlight: 3, queuedBytes: 500 });
  t.same(table.changes(), []);
  table.reserve(p0, p0, 10);
  t.match(table.of(p0), { inFlight: 4, queuedBytes: 510 });
  t.same(table.changes(), [['p0', 1, 10, 0]]);
  t.same(table.places, { own: 1, others: 3 });
  t.end();
});

t.test('a row is a state: told twice it changes nothing', (t) => {
  const { table } = sharing();
  table.takeFrom(2, [['p0', 3, 500, 0]]);
  table.takeFrom(2, [['p0', 3, 500, 0]]);
  table.takeFrom(3, [['p0', 1, 1, 0]]);
  t.match(table.of(p0), { inFlight: 4, queuedBytes: 501 });
  table.takeFrom(2, [['p0', 0, 0, 0]]);
  t.match(table.of(p0), { inFlight: 1, queuedBytes: 1 });
  t.end();
});

t.test('a pod that failed one worker is avoided by all', (t) => {
  const { table } = sharing();
  table.takeFrom(2, [['p0', 0, 0, 7000]]);
  t.equal(table.of(p0).avoidUntil, 7000);
  table.takeFrom(2, [['p0', 1, 0, 6000]]);
  t.equal(table.of(p0).avoidUntil, 7000);
  table.avoid(p0, 9000);
  t.same(table.changes(), [['p0', 0, 0, 9000]]);
  t.end();
});

t.test('a worker that is gone gives back all that it held', (t) => {
  const { table } = sharing();
  table.reserve(p0, d0, 5);
  table.takeFrom(2, [
    ['p0', 3, 500, 0],
    ['d0', 2, 0, 0],
  ]);
  table.drop(2);
  t.match(table.of(p0), { inFlight: 1, queuedBytes: 5 });
  t.match(table.of(d0), { inFlight: 1, queuedBytes: 0 });
  table.drop(2);
  t.match(table.of(p0), { inFlight: 1 }, 'once');
  t.same(table.places, { own: 2, others: 0 });
  t.end();
});

t.test('pods that are gone are forgotten when nobody holds them any more', (t) => {
  const { table } = sharing();
  table.takeFrom(2, [['p0', 1, 0, 0]]);
  table.keepOnly(new Set());
  t.equal(table.size, 1);
  table.takeFrom(2, [['p0', 0, 0, 0]]);
  table.keepOnly(new Set());
  t.equal(table.size, 0);
  t.end();
});

const pods = [pod('a'), pod('b'), pod('c')] as const;

/** Three workers and what they tell each other. */
class Crew {
  readonly #board = new LoadBoard();
  #lastId = 0;
  readonly workers = [this.#born(), this.#born(), this.#born()];

  /** A worker is gone, and another one comes in its place. */
  die(at: number): void {
    const gone = this.#at(at);
    this.#board.drop(gone.id);
    for (const other of this.workers) if (other !== gone) other.table.drop(gone.id);
    this.workers[at] = this.#born();
  }

  tell(at: number): void {
    const teller = this.#at(at);
    const rows = teller.table.changes();
    this.#board.put(teller.id, rows);
    for (const other of this.workers) if (other !== teller) other.table.takeFrom(teller.id, rows);
  }

  reserve(at: number, pick: number, bytes: number): void {
    const { table, places } = this.#at(at);
    places.push(table.reserve(pods[pick % 3] ?? pods[0], pods[bytes % 3] ?? pods[0], bytes));
  }

  placeOf(at: number, pick: number): Reservation | undefined {
    const { places } = this.#at(at);
    return places[pick % Math.max(1, places.length)];
  }

  #at(index: number) {
    const worker = this.workers[index];
    if (!worker) throw new Error(`no worker ${index}`);
    return worker;
  }

  #born() {
    this.#lastId += 1;
    const worker = { id: this.#lastId, table: new LoadTable(), places: [] as Reservation[] };
    worker.table.share(() => undefined);
    for (const [from, rows] of this.#board.rows()) worker.table.takeFrom(from, rows);
    return worker;
  }
}

t.test('whatever workers do, and whoever dies, all see the sum once everything has been told', (t) => {
  const step = fc.record({
    at: fc.nat(2),
    does: fc.constantFrom('reserve', 'prefillDone', 'release', 'tell', 'die'),
    pick: fc.nat(20),
    bytes: fc.nat(1000),
  });
  const run = (crew: Crew, { at, does, pick, bytes }: typeof step extends fc.Arbitrary<infer S> ? S : never) => {
    if (does === 'reserve') crew.reserve(at, pick, bytes);
    else if (does === 'die') crew.die(at);
    else if (does === 'tell') crew.tell(at);
    else if (does === 'release') crew.placeOf(at, pick)?.release();
    else crew.placeOf(at, pick)?.prefillDone();
  };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const crew = new Crew();
      for (const one of steps) run(crew, one);
      for (const at of [0, 1, 2]) crew.tell(at);
      const own = crew.workers.reduce((sum, { table }) => sum + table.places.own, 0);
      const views = crew.workers.map(({ table }) => {
        const { own: here, others } = table.places;
        const perPod = pods.map((one) => `${table.of(one).inFlight} ${table.of(one).queuedBytes}`);
        return `${here + others - own}: ${perPod.join(', ')}`;
      });
      return new Set(views).size === 1 && views[0]?.startsWith('0:') === true;
    }),
  );
  t.end();
});

t.test('the board remembers only what is held', (t) => {
  const board = new LoadBoard();
  board.put(1, [
    ['p0', 1, 0, 0],
    ['d0', 2, 9, 0],
  ]);
  board.put(1, [['p0', 0, 0, 0]]);
  board.put(2, [['p0', 0, 0, 0]]);
  t.same([...board.rows()], [[1, [['d0', 2, 9, 0]]]]);
  board.drop(1);
  t.same([...board.rows()], []);
  t.end();
});

t.test('prefixes are told to others where they are new', async (t) => {
  const hash = await loadPrefixHasher();
  const prompt = Buffer.alloc(5000, 'a');
  const hashes = hash(prompt);
  const longer = hash(Buffer.concat([prompt, Buffer.alloc(5000, 'b')]));
  const index = new PrefixIndex();
  index.learn(hashes, 'p0');
  t.same(index.news(), [], 'not before somebody shares');
  let woken = 0;
  index.share(() => {
    woken += 1;
  });
  index.learn(hashes, 'p0');
  t.equal(woken, 0, 'what is known is no news');
  index.learn(longer, 'p0');
  index.learn(hash(Buffer.alloc(600, 'c')), 'p1');
  t.equal(woken, 1);
  const news = index.news();
  t.equal(news.length, 2);
  t.same(news[0], ['p0', ...longer.slice(hashes.length)], 'of a longer prompt only what is longer');
  const other = new PrefixIndex();
  other.learn(hashes, 'p0');
  other.share(() => t.fail('what was heard is not told on'));
  other.adopt(news);
  t.equal(other.match(longer).get('p0'), boundaries[longer.length - 1]);
  const bounded = new PrefixIndex();
  bounded.share(() => undefined);
  for (let i = 0; i < 1500; i += 1) bounded.learn([i], 'p0');
  t.equal(bounded.news().length, 1000);
});

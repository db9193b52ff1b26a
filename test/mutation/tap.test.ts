/** The stand-in fails where tap does: a mutant is noticed by nothing else. */
import t from 'tap';
import standIn, { type Case, runCase, takeCases } from './tap.js';

type Body = Case['body'];

async function outcome(body: Body): Promise<'passes' | 'fails'> {
  standIn.test('one', body);
  const [one] = takeCases();
  if (!one) throw new Error('nothing was registered');
  const [settled] = await Promise.allSettled([runCase(one)]);
  return settled?.status === 'fulfilled' ? 'passes' : 'fails';
}

const table: Readonly<Record<string, { readonly passes: Body; readonly fails: Body }>> = {
  ok: { passes: (t) => t.ok(1), fails: (t) => t.ok(0) },
  notOk: { passes: (t) => t.notOk(''), fails: (t) => t.notOk('x') },
  equal: { passes: (t) => t.equal('a', 'a'), fails: (t) => t.equal(1, '1') },
  not: { passes: (t) => t.not(1, 2), fails: (t) => t.not(1, 1) },
  'same is loose': { passes: (t) => t.same({ a: 1 }, { a: '1' }), fails: (t) => t.same({ a: 1 }, { a: 1, b: 2 }) },
  strictSame: { passes: (t) => t.strictSame([{}], [{}]), fails: (t) => t.strictSame([1], ['1']) },
  'match takes patterns': {
    passes: (t) => t.match({ a: 'xyz', b: 1 }, { a: /y/ }),
    fails: (t) => t.match({ a: 'xyz' }, { a: /q/ }),
  },
  notMatch: { passes: (t) => t.notMatch('a', /b/), fails: (t) => t.notMatch('b', /b/) },
  throws: { passes: (t) => t.throws(() => JSON.parse('{')), fails: (t) => t.throws(() => 1) },
  doesNotThrow: { passes: (t) => t.doesNotThrow(() => 1), fails: (t) => t.doesNotThrow(() => JSON.parse('{')) },
  rejects: {
    passes: (t) => t.rejects(Promise.reject(new Error('no')), { message: 'no' }),
    fails: (t) => t.rejects(async () => 1),
  },
  type: { passes: (t) => t.type(1, 'number'), fails: (t) => t.type(1, 'string') },
  fail: { passes: (t) => t.pass(), fails: (t) => t.fail() },
  'a subtest that nobody waits for': {
    passes: (t) => void t.test('inner', () => t.ok(1)),
    fails: (t) => void t.test('inner', async (t) => t.ok(0)),
  },
  'the second of two subtests': {
    passes: (t) => void [t.test('a', () => t.ok(1)), t.test('b', () => t.ok(1))],
    fails: (t) => void [t.test('a', () => t.ok(1)), t.test('b', () => t.ok(0))],
  },
};

for (const [title, { passes, fails }] of Object.entries(table)) {
  t.test(title, async (t) => {
    t.equal(await outcome(passes), 'passes');
    t.equal(await outcome(fails), 'fails');
  });
}

t.test('what a case opens is closed, last first, also when it fails', async (t) => {
  const closed: string[] = [];
  await outcome((t) => {
    t.teardown(() => closed.push('a'));
    t.teardown(() => closed.push('b'));
    t.fail();
  });
  t.same(closed, ['b', 'a']);
});

t.test('a case that is skipped is not registered', async (t) => {
  standIn.test('one', { skip: 'no python3 here' }, (t) => t.fail());
  t.same(takeCases(), []);
});

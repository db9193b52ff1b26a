import t from 'tap';
import { boundaries, loadPrefixHasher, PrefixIndex } from '../../../src/core/pairing/prefix.js';

t.test('prefixes', async (t) => {
  const hash = await loadPrefixHasher();
  const prompt = (text: string, bytes: number) => Buffer.alloc(bytes, text);

  t.test('are known up to the first boundary that differs', (t) => {
    const index = new PrefixIndex();
    const shared = prompt('system prompt ', 1500);
    index.learn(hash(Buffer.concat([shared, prompt('a', 2000)])), 'p0');
    index.learn(hash(shared), 'p1');
    const match = index.match(hash(Buffer.concat([shared, prompt('b', 2000)])));
    t.same([...match].sort(), [
      ['p0', 1152],
      ['p1', 1152],
    ]);
    t.same([...index.match(hash(prompt('other', 3000)))], []);
    t.same(hash(Buffer.from('short')), [], 'a short prompt has none');
    t.equal(hash(prompt('long', 2_000_000)).length, boundaries.length);
    t.end();
  });

  t.test('do not match in the middle', (t) => {
    const index = new PrefixIndex();
    index.learn(hash(prompt('x', 5000)).slice(2), 'p0');
    t.same([...index.match(hash(prompt('x', 5000)))], []);
    t.end();
  });

  t.test('stay bounded, whatever comes', (t) => {
    const index = new PrefixIndex(1000);
    for (let i = 0; i < 500; i += 1) index.learn(hash(prompt(`prompt ${i} `, 10_000)), `p${i % 7}`);
    t.ok(index.size <= 1000, `${index.size} prefixes`);
    t.ok(index.match(hash(prompt('prompt 499 ', 10_000))).size > 0, 'the latest are kept');
    t.end();
  });
});

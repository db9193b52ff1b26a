import fc from 'fast-check';
import t from 'tap';
import { describeError, TandemError, table } from '../../src/base/errors.js';
import { canonicalJson } from '../../src/base/json.js';
import { formatQuantity, parseQuantity, wholeUnits } from '../../src/base/quantity.js';

t.test('a resource quantity', async (t) => {
  const nano = 1_000_000_000n;
  const rows: [string | number, bigint | undefined][] = [
    ['4', 4n * nano],
    [4, 4n * nano],
    ['500m', nano / 2n],
    ['1.5Gi', (3n * 1024n ** 3n * nano) / 2n],
    ['0.5G', 500_000_000n * nano],
    ['1e3', 1000n * nano],
    ['1E2', 100n * nano],
    ['12E', 12n * 10n ** 18n * nano],
    ['100n', 100n],
    ['-2', -2n * nano],
    ['256Mi', 256n * 1024n ** 2n * nano],
    ['0.0000000001', 1n],
    ['', undefined],
    ['0x10', undefined],
    ['1 Gi', undefined],
    ['four', undefined],
  ];
  for (const [text, expected] of rows)
    t.equal(parseQuantity(text), expected, `${JSON.stringify(text)} is read exactly`);
  t.equal(wholeUnits('1500m'), 2, 'devices are counted up');
  t.equal(wholeUnits(undefined), undefined);
});

t.test('a quantity that is written can be read back', async (t) => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), (value) => parseQuantity(formatQuantity(value)) === value),
  );
  t.pass('for every number of nano-units');
});

t.test('canonical JSON', async (t) => {
  t.equal(
    canonicalJson({ b: [1, { d: undefined, c: null }], a: 'x' }),
    '{"a":"x","b":[1,{"c":null}]}',
    'sorts keys, drops what is undefined',
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      const shuffled = Object.fromEntries(Object.entries(object).reverse());
      return canonicalJson(object) === canonicalJson(shuffled);
    }),
  );
});

t.test('an error of the table', async (t) => {
  const errors = table({
    'no-such-file': {
      status: 404,
      retryable: false,
      says: (m: { file: string }) => `no file ${m.file}; check the path`,
    },
  });
  const cause = new Error('ENOENT');
  const error = errors('no-such-file', { file: 'a.yaml' }, cause);
  t.type(error, TandemError);
  t.match(error, { code: 'no-such-file', status: 404, retryable: false, message: 'no file a.yaml; check the path' });
  t.equal(describeError(error), 'no file a.yaml; check the path: ENOENT', 'keeps its cause');
});

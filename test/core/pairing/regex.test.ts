import fc from 'fast-check';
import t from 'tap';
import { compileRegex } from '../../../src/core/pairing/regex.js';

t.test('patterns', (t) => {
  const table: readonly [string, string, boolean][] = [
    ['', '', true],
    ['abc', 'xxabcxx', true],
    ['^abc$', 'xabc', false],
    ['a.c', 'a\nc', false],
    ['^(foo|ba[rz])+$', 'foobarbaz', true],
    ['^[^a-c]+$', 'dea', false],
    ['^\\d{2,4}$', '12345', false],
    ['^\\d{2,}$', '12345', true],
    ['^\\d{3}$', '123', true],
    ['(?i)HELLO', 'say hello', true],
    ['(?i:a)b', 'AB', false],
    ['\\bcat\\b', 'a cat!', true],
    ['\\bcat\\b', 'concat', false],
    ['^[\\w.-]+@[[:alpha:]]+\\.com$', 'a.b-c@mail.com', true],
    ['^a{x}$', 'a{x}', true],
    ['[]a]', ']', true],
    ['\\x41\\t', 'A\t', true],
    ['^(?P<name>a)(?:b)??$', 'a', true],
  ];
  for (const [pattern, text, expected] of table) {
    const regex = compileRegex(pattern);
    t.equal('error' in regex ? regex.error : regex.test(text), expected, `${pattern} on ${JSON.stringify(text)}`);
  }
  for (const bad of [
    '(',
    ')',
    '[a',
    '*a',
    'a**',
    'a{2,1}',
    'a{2000}',
    '(?=a)',
    '(a)\\1',
    '\\',
    '(?<!a)',
    '[z-a]',
    '((((a{1000}){1000})))',
    '('.repeat(300),
  ]) {
    t.ok('error' in compileRegex(bad), `${bad.slice(0, 20)} is refused`);
  }

  t.test('find what JavaScript’s own engine finds, where both read the same', (t) => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '(?:a|b)', '(?:ab)', '\\b');
    const pattern = fc
      .array(
        fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{1,2}')).map(([a, q]) => (a === '\\b' ? a : a + q)),
        { maxLength: 6 },
      )
      .chain((parts) =>
        fc.constantFrom(parts.join(''), `^${parts.join('')}`, `${parts.join('')}$`, `${parts.join('')}|b+`),
      );
    fc.assert(
      fc.property(pattern, fc.stringMatching(/^[ab1 -]{0,12}$/), (source, text) => {
        const ours = compileRegex(source);
        return !('error' in ours) && ours.test(text) === new RegExp(source).test(text);
      }),
      { numRuns: 3000 },
    );
    t.end();
  });

  t.test('cost no more than the text is long, whatever the pattern', (t) => {
    const evil = compileRegex('^(a+)+(a|a)*(a*)*$');
    t.equal('error' in evil ? evil.error : evil.test(`${'a'.repeat(5000)}b`), false);
    t.end();
  });
  t.end();
});

/** A shell script of a container, cut into the commands that it runs. */
import t from 'tap';
import { commandsOf } from '../../../src/core/reading/shell.js';

t.test('the shell, as far as it is read', async (t) => {
  const env = new Map([['E', 'env']]);
  const rows: readonly (readonly [string, string, readonly (readonly string[])[]])[] = [
    ['quotes', `a 'b c' "d e" f\\ g h'i'"j"`, [['a', 'b c', 'd e', 'f g', 'hij']]],
    ['continuations', 'a \\\n  --b \\\r\n c', [['a', '--b', 'c']]],
    ['operators', 'a; b && c | d\ne & (f)', [['a'], ['b'], ['c'], ['d'], ['e'], ['f']]],
    [
      'variables',
      `X=1; a $X \${X} "$X" '$X' $E \${U:-u} $U \\$X`,
      [['X=1'], ['a', '1', '1', '1', '$X', 'env', 'u', '$U', '$X']],
    ],
    ['substitution stays text', 'a $(b c) "$(d "e")"', [['a', '$(b c)', '$(d "e")']]],
    ['redirections', 'a >b 2>&1 <c d >>e', [['a', 'd']]],
    ['comments', 'a # b\nc#d', [['a'], ['c#d']]],
    ['JSON in double quotes', 'a "{\\"b\\": 1}"', [['a', '{"b": 1}']]],
    ['an empty word', `a '' ""`, [['a', '', '']]],
    ['unfinished quote', `a 'b`, [['a', 'b']]],
  ];
  for (const [title, script, expected] of rows) t.same(commandsOf(script, env), expected, title);
});

/** What is wrong with a body that is not JSON. */
import t from 'tap';
import { findJsonError } from '../../../src/lab/engine/json-error.js';

void t.test('a body that is not JSON is explained as Python would', (t) => {
  const cases: Record<string, [number, string]> = {
    '': [0, 'Expecting value'],
    '{"a":1,}': [7, 'Expecting property name enclosed in double quotes'],
    '{"a" 1}': [5, "Expecting ':' delimiter"],
    '{"a":1 "b"}': [7, "Expecting ',' delimiter"],
    '[1,]': [3, 'Expecting value'],
    '{"a":"b': [5, 'Unterminated string starting at'],
    '{} x': [3, 'Extra data'],
  };
  for (const [text, [at, message]] of Object.entries(cases)) t.same(findJsonError(text), { at, message }, text);
  t.end();
});

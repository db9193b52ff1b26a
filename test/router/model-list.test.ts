/** Errors that name the models which are served name only so many as a person reads. */
import t from 'tap';
import { someOf, unknownModel } from '../../router/model-list.js';
import { routeOf, routerLab, serverOf } from './lab.js';
import { connectClient, post } from './support.js';

const many = Array.from({ length: 23 }, (_, i) => `m${i}`);

t.test('names, as far as a person reads on', (t) => {
  t.equal(someOf([]), 'none yet; apply a ModelRoute');
  t.equal(someOf(['a', 'b']), 'a, b');
  t.match(someOf(many), /^m0, m1, .*, m19 and 3 more \(GET \/v1\/models\)$/);
  t.match(unknownModel('x', many).message, /known: m0, .* and 3 more/);
  t.end();
});

t.test('a request without a model is not told of hundreds', async (t) => {
  const lab = await routerLab(t, { pods: [], server: serverOf(1) });
  lab.cluster.modelRoutes.replaceAll(many.map((name) => routeOf(name, {}, name)));
  const client = connectClient(lab.port, post({ messages: [] }, 'connection: close\r\n'));
  await client.ended;
  t.match(client.text(), /one of: m0, .* and 3 more \(GET/);
  t.notMatch(client.text(), /\bm9\b/, 'the last one by name');
});

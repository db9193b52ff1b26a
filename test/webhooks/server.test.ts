/** Whatever is sent to the webhook server, it answers and goes on: what is no review, too large, too slow, or too much at once. */

import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import type { ModelServing } from '../../src/api/types.js';
import type { RawObject } from '../../src/kube/client.js';
import { BodyBudget } from '../../webhooks/body.js';
import { type Answer, openServer, patched, type Review, recorded, worldOf } from './tls-server.js';

t.test('what is no review is answered with 4xx, a code and what to do', async (t) => {
  const { send, call } = await openServer(t);
  const good = await recorded('modelservings--CREATE');
  const review = JSON.parse(good) as Review;
  const without = (name: string) => JSON.stringify({ ...review, request: { ...review.request, [name]: undefined } });
  const path = '/mutate/modelservings';
  const cases: readonly (readonly [string, Promise<Answer>, number, RegExp])[] = [
    ['nothing', send(path, ''), 400, /not-readable/],
    ['broken JSON', send(path, good.slice(0, 500)), 400, /not valid JSON/],
    ['a list', send(path, '[]'), 400, /not a JSON object/],
    ['no request', send(path, '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}'), 400, /no request/],
    ['no uid', send(path, without('uid')), 400, /no-uid/],
    [
      'an old version',
      send(path, good.replace('admission.k8s.io/v1', 'admission.k8s.io/v1beta1')),
      400,
      /unknown-version/,
    ],
    ['10,000 levels', send(path, `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`), 400, /levels deep/],
    ['a million levels', send(path, '['.repeat(1_000_000)), 400, /levels deep/],
    ['__proto__', send(path, good.replace('"dryRun"', '"__proto__":{"polluted":true},"dryRun"')), 400, /__proto__/],
    [
      'a form',
      send(path, good, { 'content-type': 'application/x-www-form-urlencoded' }),
      415,
      /send application\/json/,
    ],
    ['a packed body', send(path, good, { 'content-encoding': 'gzip' }), 415, /wrong-encoding: .*"gzip".*send the body/],
    ['GET', call({ path, method: 'GET' }, (out) => out.end()), 405, /use POST/],
    ['another path', send('/mutate/everything', good), 404, /known paths: .*\/mutate\/modelservings/],
    [
      'a header bomb',
      send(path, good, { 'x-bomb': 'x'.repeat(20_000) }),
      431,
      /headers exceed 16384 bytes; send fewer/,
    ],
  ];
  for (const [what, answer, status, text] of cases) {
    const got = await answer;
    t.equal(got.status, status, what);
    t.match(got.text, text, what);
    t.notMatch(got.text, /\bat \S+:\d+:\d+|node_modules/, 'no stack trace');
  }
  t.equal(({} as { polluted?: boolean }).polluted, undefined);
  t.equal((await send(path, good)).status, 200, 'and the server goes on');
});

t.test('20 MB are cut off, 3 MB objects are judged, a duplicate key counts once', async (t) => {
  const { send, call } = await openServer(t);
  const headers = { 'content-type': 'application/json' };
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const refused = await send('/mutate/modelservings', Buffer.alloc(20_000_000, 0x20)).catch(
    (error: NodeJS.ErrnoException) => error,
  );
  if (refused instanceof Error)
    t.match(refused, { code: /EPIPE|ECONNRESET/ }, 'the connection ends before all of it is sent');
  else t.equal(refused.status, 413);
  const unannounced = await call({ path: '/mutate/modelservings', method: 'POST', headers }, (out) => {
    out.write(Buffer.alloc(8_000_000, 0x20));
  }).catch((error: NodeJS.ErrnoException) => error);
  if (unannounced instanceof Error) t.match(unannounced, { code: /EPIPE|ECONNRESET/ }, 'no length was announced');
  else t.equal(unannounced.status, 413, 'no length was announced');
  const metadata = { ...review.request.object.metadata, annotations: { big: 'x'.repeat(3_000_000) } };
  const object = { ...review.request.object, metadata };
  const big = await send(
    '/mutate/modelservings',
    JSON.stringify({ ...review, request: { ...review.request, object } }),
  );
  t.match(big, { status: 200, response: { allowed: true } });
  const twice = JSON.stringify(review).replace('"uid":', '"uid":"first","uid":');
  t.equal((await send('/mutate/modelservings', twice)).response.uid, review.request.uid);
});

t.test('texts on which a careless pattern would work for hours are judged at once', async (t) => {
  const { send } = await openServer(t);
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const slashes = `${'/'.repeat(1_000_000)}x`;
  const object = structuredClone(review.request.object) as RawObject & ModelServing & { metadata: object };
  Object.assign(object.metadata, { annotations: { 'tandem.dev/model': slashes } });
  for (const { entryTemplate } of object.spec.template.roles) {
    for (const container of entryTemplate?.spec?.containers ?? []) {
      const limits = { memory: `${'1'.repeat(1_000_000)}x`, 'huawei.com/ascend-1980': `${'1'.repeat(1_000_000)}x` };
      Object.assign(container, { volumeMounts: [{ name: 'v', mountPath: slashes }], resources: { limits } });
    }
  }
  for (const path of ['/mutate/modelservings', '/validate/modelservings']) {
    const body = JSON.stringify({ ...review, request: { ...review.request, object } });
    t.equal((await send(path, body)).status, 200, path);
  }
});

t.test('many names and texts that take a careless judge hours', async (t) => {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } };
  const { send } = await openServer(t, worldOf({ nodes: [node] }));
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const object = { metadata: {}, spec: {}, target: { name: 'n' } };
  const bound = await send(
    '/mutate/bindings',
    JSON.stringify({ ...review, request: { ...review.request, name: '-'.repeat(1_000_000), object } }),
  );
  t.match(bound, { status: 200, response: { allowed: true } });
  const notes = structuredClone(review.request.object) as RawObject & { metadata: object };
  const expanded = JSON.stringify({ prefill: { vllm: ['containers[vllm]', '['.repeat(1_000_000)] } });
  Object.assign(notes.metadata, { annotations: { 'tandem.dev/model': 'a/b', 'tandem.dev/expanded': expanded } });
  for (const path of ['/mutate/modelservings', '/validate/modelservings']) {
    const body = JSON.stringify({ ...review, request: { ...review.request, object: notes } });
    t.equal((await send(path, body)).status, 200, path);
  }
});

t.test('a range is not a depth', async (t) => {
  const good = await recorded('modelservings--CREATE');
  const failing = async (fail: () => never) =>
    (await (await openServer(t, { ...worldOf(), settings: fail })).send('/mutate/modelservings', good)).response;
  const deep = (): never => deep();
  t.match(await failing(deep), { allowed: false, status: { code: 500, message: /nested too deep/ } });
  const wide = await failing(() => {
    throw new RangeError('Invalid array length');
  });
  t.match(wide, { allowed: false, status: { code: 500, message: /Invalid array length/ } });
});

t.test('bodies share the memory of the process, whoever sends them', async (t) => {
  const budget = new BodyBudget(1024 * 1024);
  const { send, call } = await openServer(t, worldOf(), 5_000, budget);
  const path = '/validate/modelservings';
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const body = JSON.stringify({ ...review, padding: 'x'.repeat(600_000) });
  const type = { 'content-type': 'application/json' };
  let leave: () => void = () => t.fail('not sent');
  const holding = call({ path, method: 'POST', headers: type, agent: false, rejectUnauthorized: false }, (out) => {
    out.write(body.slice(0, 600_000));
    t.teardown(() => out.destroy());
    leave = () => out.destroy(new Error('left'));
  });
  holding.catch(() => undefined);
  while (budget.held < 600_000) await turn();
  const announced = await send(path, body);
  t.match(announced, {
    status: 429,
    text: /too-much-at-once: .* 1 MiB already; send it again/,
    headers: { 'retry-after': '1' },
  });
  const unannounced = await call({ path, method: 'POST', headers: type }, (out) => out.write(body));
  t.match(unannounced, { status: 429, headers: { 'retry-after': '1' } });
  t.equal((await send(path, JSON.stringify(review))).status, 200, 'a small one has room');
  t.equal(budget.held, 600_000);
  leave();
  await t.rejects(holding, /left/);
  while (budget.held > 0) await turn();
  t.equal((await send(path, body)).status, 200);
  t.equal(budget.held, 0, 'and all of it is given back');
});

t.test('a sender that is slow or leaves is forgotten', async (t) => {
  const { call, send } = await openServer(t, worldOf(), 300);
  const good = await recorded('modelservings--CREATE');
  const headers = { 'content-type': 'application/json', 'content-length': String(good.length) };
  const slow = await call(
    { path: '/mutate/modelservings', method: 'POST', headers, agent: false, rejectUnauthorized: false },
    (out) => out.write(good.slice(0, 100)),
  );
  t.equal(slow.status, 408);
  await t.rejects(
    call({ path: '/mutate/modelservings', method: 'POST', headers, agent: false, rejectUnauthorized: false }, (out) => {
      out.write(good.slice(0, 100));
      setImmediate(() => out.destroy(new Error('left')));
    }),
    /left/,
  );
  t.equal((await send('/mutate/modelservings', good)).status, 200);
});

t.test('500 reviews at once are all answered', async (t) => {
  const { send } = await openServer(t);
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, i) =>
      send('/validate/modelservings', JSON.stringify({ ...review, request: { ...review.request, uid: `u${i}` } })),
    ),
  );
  t.ok(answers.every(({ status, response }, i) => status === 200 && response.uid === `u${i}`));
});

t.test('whatever the object is, the answer echoes the uid and its patch applies', async (t) => {
  const { send } = await openServer(t);
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const anything = fc.jsonValue({ maxDepth: 5 });
  const object = fc.record(
    { metadata: fc.oneof(anything, fc.constant(review.request.object.metadata)), spec: anything },
    { requiredKeys: [] },
  );
  const paths = [
    '/mutate/modelservings',
    '/mutate/pods',
    '/mutate/bindings',
    '/validate/modelservings',
    '/validate/modelservings-scale',
    '/validate/modelservers',
    '/validate/modelroutes',
  ];
  await fc.assert(
    fc.asyncProperty(fc.oneof(object, anything), fc.constantFrom(...paths), fc.uuid(), async (value, path, uid) => {
      const asked = { ...review, request: { ...review.request, uid, object: value } };
      const answer = await send(path, JSON.stringify(asked));
      if (answer.status !== 200) return answer.status >= 400 && answer.status < 500;
      if (answer.response.status && answer.response.status.code >= 500) throw new Error(answer.response.status.message);
      if (answer.response.patch) patched(asked as unknown as Review, answer);
      return answer.response.uid === uid;
    }),
    { numRuns: 400 },
  );
});

t.test('probes and metrics answer beside the webhooks', async (t) => {
  const { call } = await openServer(t);
  for (const path of ['/healthz', '/readyz', '/metrics']) {
    t.equal((await call({ path, method: 'GET' }, (out) => out.end())).status, 200, path);
  }
});

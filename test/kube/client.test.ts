import t from 'tap';
import { connectCluster } from '../../src/kube/http-client.js';
import { isAlreadyExists, isConflict, isGone, isNotFound, KubeError } from '../../src/kube/kube-error.js';
import { configMaps, nodes, pods } from '../../src/kube/resources.js';
import { json, plainConnection, pod, rawApi, status } from './raw-api.js';

t.test('requests are what the API server documents', async (t) => {
  const bodies: unknown[] = [];
  const types: unknown[] = [];
  const { client, seen } = await rawApi(t, (request, response) => {
    bodies.push(request.body === '' ? undefined : JSON.parse(request.body));
    types.push(request.headers['content-type']);
    t.equal(request.headers.authorization, 'Bearer secret');
    t.equal(request.headers['user-agent'], 'test');
    json(response, 200, pod('a', 1));
  });
  const where = { namespace: 'n', name: 'a' };
  const object = { metadata: { name: 'a', namespace: 'n' } };
  await client.get(pods, where);
  await client.get(nodes, { name: 'a b' });
  await client.create(configMaps, object, {}, { dryRun: true, fieldManager: 'me' });
  await client.create(pods, object, { name: 'a', subresource: 'binding' });
  await client.update(configMaps, object);
  await client.patch(configMaps, { ...where, subresource: 'status' }, 'merge', { x: 1 });
  await client.patch(configMaps, where, 'json', []);
  await client.apply(configMaps, object, { fieldManager: 'me', force: true });
  await client.delete(configMaps, where, { uid: 'u', propagation: 'Foreground', gracePeriodSeconds: 0 });
  await client.deleteCollection(pods, { namespace: 'n', labelSelector: 'a=b' });
  t.same(seen, [
    'GET /prefix/api/v1/namespaces/n/pods/a',
    'GET /prefix/api/v1/nodes/a%20b',
    'POST /prefix/api/v1/namespaces/n/configmaps?dryRun=All&fieldManager=me',
    'POST /prefix/api/v1/namespaces/n/pods/a/binding',
    'PUT /prefix/api/v1/namespaces/n/configmaps/a',
    'PATCH /prefix/api/v1/namespaces/n/configmaps/a/status',
    'PATCH /prefix/api/v1/namespaces/n/configmaps/a',
    'PATCH /prefix/api/v1/namespaces/n/configmaps/a?fieldManager=me&force=true',
    'DELETE /prefix/api/v1/namespaces/n/configmaps/a',
    'DELETE /prefix/api/v1/namespaces/n/pods?labelSelector=a%3Db',
  ]);
  t.same(bodies[2], { apiVersion: 'v1', kind: 'ConfigMap', ...object }, 'kind and version are filled in');
  t.same(types.slice(5, 8), [
    'application/merge-patch+json',
    'application/json-patch+json',
    'application/apply-patch+yaml',
  ]);
  t.match(bodies[8], { preconditions: { uid: 'u' }, propagationPolicy: 'Foreground', gracePeriodSeconds: 0 });
});

t.test('a refusal carries what the Status says, and what to do', async (t) => {
  const { client, answer } = await rawApi(t, (_request, response) => {
    const details = { causes: [{ field: 'spec.x', message: 'must be set', reason: 'FieldValueRequired' }] };
    json(response, 422, status(422, 'Invalid', 'ConfigMap "a" is invalid', details));
  });
  const where = { namespace: 'n', name: 'a' };
  const error = await client.update(configMaps, { metadata: where }).catch((caught: unknown) => caught);
  t.ok(error instanceof KubeError);
  t.match(error, { code: 'kube-refused', status: 422, reason: 'Invalid', causes: [{ field: 'spec.x' }] });
  t.match((error as Error).message, /is invalid \(PUT .*: 422 Invalid\); correct the named field/);

  const kinds = [
    [404, 'NotFound', isNotFound],
    [409, 'Conflict', isConflict],
    [409, 'AlreadyExists', isAlreadyExists],
    [410, 'Expired', isGone],
  ] as const;
  for (const [code, reason, is] of kinds) {
    answer((_request, response) => json(response, code, status(code, reason, 'no')));
    const caught = await client.update(configMaps, { metadata: where }).catch((thrown: unknown) => thrown);
    t.same(
      kinds.filter(([, , other]) => other(caught)).map(([, name]) => name),
      [reason],
      reason,
    );
    t.ok(is(caught));
  }
  answer((_request, response) => {
    response.writeHead(404, { 'content-type': 'text/html' });
    response.end('<h1>proxy</h1>');
  });
  t.match(await client.get(pods, where).catch((thrown: unknown) => thrown), {
    said: '<h1>proxy</h1>',
    reason: 'Http404',
  });
});

t.test('what is repeated', async (t) => {
  const repeats = async (method: 'get' | 'create', code: number, headers: Record<string, string> = {}) => {
    const { client, seen } = await rawApi(t, (_request, response, nth) => {
      if (nth === 1) json(response, code, status(code, 'Busy', 'later'), headers);
      else json(response, 200, pod('a', 1));
    });
    const object = { metadata: { name: 'a', namespace: 'n' } };
    const call = method === 'get' ? client.get(pods, { namespace: 'n', name: 'a' }) : client.create(pods, object);
    await call.catch((error: unknown) => t.ok(error instanceof KubeError));
    return seen.length;
  };
  t.equal(await repeats('get', 500), 2, 'a read that failed in the server');
  t.equal(
    await repeats('get', 429, { 'retry-after': '0' }),
    2,
    'any request refused for load, when the server says when',
  );
  t.equal(await repeats('create', 429, { 'retry-after': '0' }), 2, 'also a write: it was not processed');
  t.equal(await repeats('create', 500), 1, 'never a write that may have happened');
  t.equal(await repeats('get', 404), 1, 'never what will not change');
});

t.test('a connection closed under a new request', async (t) => {
  const { client, seen } = await rawApi(t, (_request, response, nth) => {
    if (nth === 1) response.destroy();
    else json(response, 200, pod('a', 1));
  });
  t.match(await client.get(pods, { namespace: 'n', name: 'a' }), { kind: 'Pod' });
  t.equal(seen.length, 2, 'a read is repeated');
});

t.test('errors of the way there', async (t) => {
  t.test('nobody listens', async (t) => {
    const control = new AbortController();
    t.teardown(() => control.abort());
    const client = connectCluster(plainConnection('http://127.0.0.1:1'), { signal: control.signal, userAgent: 'test' });
    await t.rejects(client.get(pods, {}), {
      code: 'unreachable',
      message: /127\.0\.0\.1:1.*ECONNREFUSED.*check that the cluster runs/,
    });
  });

  t.test('no answer in time', async (t) => {
    const { client } = await rawApi(t, () => undefined, { timeout: 20 });
    await t.rejects(client.get(pods, {}), { code: 'kube-timeout', retryable: true });
  });

  t.test('stopped while waiting, and used after that', async (t) => {
    const { client } = await rawApi(t, () => undefined);
    const waiting = client.get(pods, {});
    const expected = t.rejects(waiting, { code: 'client-closed' });
    await client[Symbol.asyncDispose]();
    await expected;
    await t.rejects(client.get(pods, {}), { code: 'client-closed' });
  });
});

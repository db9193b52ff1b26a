/** What the lab's API server adds to the scenarios: its history, its refusals by name, its start and its end. */
import { connect } from 'node:tls';
import t, { type Test } from 'tap';
import { type ApiServer, startApiServer } from '../../../src/lab/apiserver/server.js';
import { silentLogger } from '../../../src/telemetry/log.js';
import { Api } from './api.js';
import { jsonPatchAnswer, startWebhookServer } from './webhook-server.js';

type Options = Partial<Parameters<typeof startApiServer>[0]>;

async function started(t: Test, options: Options = {}): Promise<{ server: ApiServer; api: Api }> {
  const server = await startApiServer(
    { host: '127.0.0.1', port: 0, logger: silentLogger, clock: { now: () => Date.now() }, ...options },
    new AbortController().signal,
  );
  const api = new Api(server.connection);
  t.teardown(async () => {
    await api[Symbol.asyncDispose]();
    await server.stop();
  });
  return { server, api };
}

const maps = '/api/v1/namespaces/default/configmaps';
const named = (name: string) => ({ body: { metadata: { name } } });

t.test('the history of changes is bounded', async (t) => {
  t.test('a watch from before it is told 410 inside the watch', async (t) => {
    const { api } = await started(t, { historyLimit: 8 });
    const { body: list } = await api.ask('GET', maps);
    for (let number = 0; number < 12; number++) await api.ask('POST', maps, named(`m${number}`));
    const watch = await api.watch(`${maps}?watch=1&resourceVersion=${list.metadata.resourceVersion}`);
    t.match(await watch.next(), { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } });
    await t.rejects(watch.next(), 'and the watch ends');
  });
  t.test('a watch from inside it misses nothing', async (t) => {
    const { api } = await started(t, { historyLimit: 8 });
    const first = (await api.ask('POST', maps, named('first'))).body;
    await api.ask('POST', maps, named('second'));
    const watch = await api.watch(`${maps}?watch=1&resourceVersion=${first.metadata.resourceVersion}`);
    t.match(await watch.next(), { type: 'ADDED', object: { metadata: { name: 'second' } } });
    watch.close();
  });
  t.test('compaction on demand makes every old version too old', async (t) => {
    const { api, server } = await started(t);
    const { metadata } = (await api.ask('POST', maps, named('a'))).body;
    await api.ask('POST', maps, named('b'));
    server.compact();
    const watch = await api.watch(`${maps}?watch=1&resourceVersion=${metadata.resourceVersion}`);
    t.match(await watch.next(), { type: 'ERROR', object: { code: 410 } });
  });
  t.test('the rest of a list that is forgotten is 410', async (t) => {
    const { api } = await started(t);
    for (const name of ['a', 'b', 'c']) await api.ask('POST', maps, named(name));
    const { body } = await api.ask('GET', `${maps}?limit=1`);
    for (let number = 0; number < 70; number++) await api.ask('GET', `${maps}?limit=1`);
    t.match(await api.ask('GET', `${maps}?limit=1&continue=${body.metadata.continue}`), {
      status: 410,
      body: { reason: 'Expired' },
    });
  });
});

t.test('what the lab has not is refused with its name', async (t) => {
  const { api } = await started(t);
  await api.ask('POST', '/api/v1/namespaces/default/pods', {
    body: { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'x' }] } },
  });
  for (const [path, name] of [
    ['/apis/apps/v1/namespaces/default/deployments', 'apps/v1/deployments'],
    ['/apis/batch/v1/jobs', 'batch/v1/jobs'],
    ['/api/v1/persistentvolumes', 'v1/persistentvolumes'],
    ['/api/v1/namespaces/default/pods/p/log', 'pods/log'],
    ['/openapi/v2', 'OpenAPI v2'],
    ['/api/v1/watch/pods', '/watch/'],
  ] as const) {
    const { status, body } = await api.ask('GET', path);
    t.equal(status, 501, path);
    t.match(body.message, name);
    t.match(body.message, /use a real cluster/);
  }
});

t.test('definitions with what the lab cannot judge are refused when they are written', async (t) => {
  const { api } = await started(t);
  const definition = (rule: string) => ({
    metadata: { name: 'things.lab.tandem.dev' },
    spec: {
      group: 'lab.tandem.dev',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: { spec: { type: 'object', 'x-kubernetes-validations': [{ rule }] } },
            },
          },
        },
      ],
    },
  });
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All';
  for (const [rule, why] of [
    ['quantity(self.a).isGreaterThan(quantity("1"))', /isGreaterThan|quantity/],
    ['self.?a.hasValue()', /optional/],
    ['self.a ===', /cannot read "="/],
  ] as const) {
    const { status, body } = await api.ask('POST', path, { body: definition(rule) });
    t.equal(status, 422, rule);
    t.match(body.message, why);
  }
  t.match(await api.ask('POST', path, { body: definition('self.size() < 3 && self.all(k, k.startsWith("a"))') }), {
    status: 201,
  });
});

t.test('a definition takes its objects with it, and they their dependents', async (t) => {
  const { api } = await started(t);
  const group = 'lab.tandem.dev';
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  await api.ask('POST', definitions, {
    body: {
      metadata: { name: `things.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { plural: 'things', kind: 'Thing' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    },
  });
  for (const name of ['a', 'b', 'c']) {
    const { body } = await api.ask('POST', `/apis/${group}/v1/namespaces/default/things`, named(name));
    const ownerReferences = [{ apiVersion: `${group}/v1`, kind: 'Thing', name, uid: body.metadata.uid }];
    t.equal((await api.ask('POST', maps, { body: { metadata: { name, ownerReferences } } })).status, 201);
  }
  const watch = await api.watch(`${maps}?watch=1`);
  await api.ask('DELETE', `${definitions}/things.${group}`);
  const gone = new Set<string>();
  while (gone.size < 3) {
    const { type, object } = await watch.next();
    if (type === 'DELETED') gone.add(object.metadata.name);
  }
  watch.close();
  t.same([...gone].sort(), ['a', 'b', 'c']);
  t.equal((await api.ask('GET', `/apis/${group}/v1/things`)).status, 404, 'the kind is no longer served');
});

t.test('webhooks by service', async (t) => {
  await using hooks = await startWebhookServer(
    { '/mutate': () => jsonPatchAnswer([{ op: 'add', path: '/data', value: { by: 'service' } }]) },
    ['hooks.default.svc'],
  );
  let resolves = true;
  const { api } = await started(t, {
    resolveService: ({ name, namespace }) =>
      resolves && name === 'hooks' && namespace === 'default' ? { host: '127.0.0.1', port: hooks.port } : undefined,
  });
  await api.ask('POST', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
    body: {
      metadata: { name: 'by-service' },
      webhooks: [
        {
          name: 'by-service.lab.tandem.dev',
          clientConfig: { service: { name: 'hooks', namespace: 'default', path: '/mutate' }, caBundle: hooks.caBundle },
          rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
          matchConditions: [{ name: 'not-exempt', expression: "!object.metadata.name.startsWith('exempt')" }],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    },
  });
  t.match(await api.ask('POST', maps, named('a')), { status: 201, body: { data: { by: 'service' } } });
  t.equal(hooks.seen[0]?.servername, 'hooks.default.svc', 'the certificate is asked for the name of the service');
  t.equal(
    (await api.ask('POST', maps, named('exempt'))).body.data,
    undefined,
    'a condition that does not hold spares the object',
  );
  resolves = false;
  t.match(await api.ask('POST', maps, named('b')), { status: 500, body: { message: /service "hooks" not found/ } });
});

t.test('misuse', async (t) => {
  const { api, server } = await started(t);
  t.test('a body over the limit is 413', async (t) => {
    const answer = await api.ask('POST', maps, { text: `{"data":{"a":"${'x'.repeat(4 * 1024 * 1024)}"}}` });
    t.equal(answer.status, 413);
  });
  t.test('no credentials are 401, except for health', async (t) => {
    t.match(await api.ask('GET', '/api', { token: '' }), { status: 401, body: { reason: 'Unauthorized' } });
    t.equal((await api.ask('GET', '/readyz', { token: 'x' })).status, 200);
  });
  t.test('plain text on the TLS port harms nobody', async (t) => {
    const socket = connect({ host: server.address.host, port: server.address.port, rejectUnauthorized: false });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    socket.resume();
    socket.end('nonsense\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    t.equal((await api.ask('GET', '/readyz')).status, 200);
  });
  t.test('a port in use says what to do', async (t) => {
    await t.rejects(
      startApiServer(
        { ...server.address, logger: silentLogger, clock: { now: () => 0 } },
        new AbortController().signal,
      ),
      { code: 'port-in-use', message: /--listen/ },
    );
  });
});

t.test('stopping ends open watches and closes everything', async (t) => {
  const stop = new AbortController();
  const server = await startApiServer(
    { host: '127.0.0.1', port: 0, logger: silentLogger, clock: { now: () => Date.now() } },
    stop.signal,
  );
  await using api = new Api(server.connection);
  await api.ask('POST', maps, named('a'));
  const watch = await api.watch(`${maps}?watch=1`);
  t.match(await watch.next(), { type: 'ADDED' });
  const ended = t.rejects(watch.next());
  stop.abort();
  await ended;
  await server.stop();
  await t.rejects(api.ask('GET', '/readyz'));
});

/** The webhook server on a real TLS socket: recorded reviews, and everything that is no review. */
import { readFile } from 'node:fs/promises';
import type { ClientRequest } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import jsonPatch from 'fast-json-patch';
import t, { type Test } from 'tap';
import type { Node } from '../../src/api/kube.js';
import type { ModelServing } from '../../src/api/types.js';
import { systemClock } from '../../src/base/clock.js';
import { authoritiesInMemory } from '../../src/certs/authorities.js';
import { CredentialKeeper } from '../../src/certs/keeper.js';
import { defaultExpandSettings } from '../../src/core/expand/types.js';
import type { RawObject } from '../../src/kube/client.js';
import { ObjectMap } from '../../src/kube/object-map.js';
import { loadProfiles } from '../../src/settings/profiles.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { createObserver } from '../../webhooks/observe.js';
import { createWebhookServer } from '../../webhooks/server.js';
import { webhooksOver } from '../../webhooks/webhooks.js';
import type { World } from '../../webhooks/world.js';

const profiles = await loadProfiles();
const recorded = (name: string) => readFile(`test/fixtures/webhooks/review-${name}.json`, 'utf8');

interface Review {
  readonly request: { uid: string; object: RawObject; name: string; namespace: string; [other: string]: unknown };
  readonly [other: string]: unknown;
}
interface Answer {
  readonly status: number;
  readonly text: string;
  readonly response: {
    uid: string;
    allowed: boolean;
    patch?: string;
    warnings?: string[];
    status?: { code: number; message: string };
  };
}

function worldOf(objects: { nodes?: readonly RawObject[]; servings?: readonly RawObject[] } = {}): World {
  const store = <T extends RawObject>(items: readonly RawObject[] = []) => {
    const map = new ObjectMap<T>({ logger: silentLogger });
    map.replaceAll(items as readonly T[]);
    return map;
  };
  const servings = store<RawObject & ModelServing>(objects.servings);
  return {
    profiles: () => profiles,
    settings: () => ({ ...defaultExpandSettings, schedulerNames: { volcano: 'default-scheduler' } }),
    nodes: store<RawObject & Node>(objects.nodes),
    modelServings: servings,
    findServing: (namespace, name) => Promise.resolve(servings.get(namespace, name)),
    modelServers: store(),
    modelRoutes: store(),
    hasVolcano: () => false,
    fallbackScheduler: 'default-scheduler',
  };
}

async function open(t: Test, world = worldOf(), requestTimeout = 5_000) {
  const keeper = new CredentialKeeper({
    store: authoritiesInMemory(),
    hosts: ['127.0.0.1'],
    clock: systemClock,
    logger: silentLogger,
  });
  const { credentials } = await keeper.refresh();
  const metrics = new Metrics();
  const server = createWebhookServer({
    webhooks: webhooksOver(world),
    probes: { metrics, notReady: () => undefined },
    observer: createObserver(metrics, silentLogger),
    tls: { cert: credentials.serving.certificate, key: credentials.serving.key },
    requestTimeout,
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const agent = new Agent({ keepAlive: true, ca: credentials.bundle });
  t.teardown(() => {
    agent.destroy();
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const send = (
    path: string,
    body: string | Buffer,
    headers: Record<string, string> = {},
    options: RequestOptions = {},
  ) =>
    call(
      {
        host: '127.0.0.1',
        port,
        agent,
        path,
        method: 'POST',
        ...options,
        headers: { 'content-type': 'application/json', ...headers },
      },
      (out) => out.end(body),
    );
  return {
    send,
    metrics,
    call: (options: RequestOptions, write: (out: ClientRequest) => void) =>
      call({ host: '127.0.0.1', port, agent, ...options }, write),
  };
}

function call(options: RequestOptions, write: (out: ClientRequest) => void): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const out = request(options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = incoming.headers['content-type']?.startsWith('application/json');
        const { response } = isJson
          ? (JSON.parse(text) as Pick<Answer, 'response'>)
          : { response: { uid: '', allowed: false } };
        resolve({ status: incoming.statusCode ?? 0, text, response });
      });
      incoming.on('error', reject);
    });
    out.on('error', reject);
    write(out);
  });
}

const patched = (review: Review, { response }: Answer): RawObject =>
  jsonPatch.applyPatch(
    structuredClone(review.request.object),
    JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString() || '[]'),
  ).newDocument;

t.test('recorded reviews of ModelServings', async (t) => {
  const { send, metrics } = await open(t);
  for (const name of ['modelservings--CREATE', 'modelservings--UPDATE']) {
    const text = await recorded(name);
    const review = JSON.parse(text) as Review;
    const expanded = await send('/mutate/modelservings', text);
    t.match(expanded.response, { uid: review.request.uid, allowed: true, patchType: 'JSONPatch' }, name);
    const result = patched(review, expanded);
    const again = await send(
      '/mutate/modelservings',
      JSON.stringify({ ...review, request: { ...review.request, object: result } }),
    );
    t.match(again.response, { allowed: true, patch: undefined }, 'what was expanded is left alone');
    const checked = await send(
      '/validate/modelservings',
      JSON.stringify({ ...review, request: { ...review.request, object: result } }),
    );
    t.match(checked.response, { uid: review.request.uid, allowed: true });
    t.ok(
      checked.response.warnings?.every(
        (line) => /^TND-\d{3} (spec|metadata)\S*: saw .+, want .+; .+/.test(line) && line.length <= 256,
      ),
    );
  }
  t.match(await metrics.render(), /tandem_webhook_reviews_total\{webhook="mutate\/modelservings",answer="patched"\} 2/);
  t.match(await metrics.render(), /tandem_webhook_findings_total\{code="TND-047",severity="warning"\}/);
});

t.test('a recorded Binding', async (t) => {
  const text = await recorded('pods-binding-CREATE');
  const review = JSON.parse(text) as Review;
  const labels = { 'topology.tandem.dev/leaf': 'l1' };
  const node = { metadata: { name: 'n1', labels } };
  const serving = {
    metadata: { name: 'demo-a', namespace: 'dev' },
    spec: { template: { roles: [{ name: 'prefill' }] } },
  };
  const binding = (pod: string) => JSON.stringify({ ...review, request: { ...review.request, name: pod } });
  const { send } = await open(t, worldOf({ nodes: [node], servings: [serving] }));

  await t.test('of a pod of a ModelServing gets the place of its node, beside the labels it has', async (t) => {
    const answer = await send('/mutate/bindings', binding('demo-a-0-prefill-0-0'));
    t.match(patched(review, answer).metadata.labels, {
      'topology.kubernetes.io/zone': 'z1',
      'topology.tandem.dev/leaf': 'l1',
      'topology.tandem.dev/node': 'n1',
    });
  });
  await t.test('of any other pod passes untouched', async (t) => {
    for (const pod of [
      'p1',
      'demo-a-0-prefill-0',
      'demo-0-prefill-0-0',
      'demo-a-0-decode-0-0',
      'demo-a-00-prefill-0-0',
    ]) {
      t.match((await send('/mutate/bindings', binding(pod))).response, { allowed: true, patch: undefined }, pod);
    }
  });
  await t.test('to a node that is not known yet is allowed without labels', async (t) => {
    const { send } = await open(t, worldOf({ servings: [serving] }));
    t.match((await send('/mutate/bindings', binding('demo-a-0-prefill-0-0'))).response, {
      allowed: true,
      patch: undefined,
    });
  });
});

t.test('a refusal names every error with rule, place, reason and fix', async (t) => {
  const { send } = await open(t);
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const object = structuredClone(review.request.object) as RawObject & { spec: Record<string, unknown> };
  Object.assign(object.spec, { replicas: -1, rolloutStrategy: { type: 'RoleRollingUpdate' } });
  const { response, status } = await send(
    '/validate/modelservings',
    JSON.stringify({ ...review, request: { ...review.request, object } }),
  );
  t.equal(status, 200);
  t.match(response, { allowed: false, status: { code: 422, reason: 'Invalid' } });
  t.match(
    response.status?.message,
    /TND-104 spec\.replicas: saw -1, want a whole number, 0 or more, because .+; correct replicas/,
  );
  t.match(response.status?.message, /TND-109 /);
});

t.test('an error that is stored already does not hold up another change', async (t) => {
  const { send } = await open(t);
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const faulty = (replicas: number, recoveryPolicy: string) => ({
    ...review.request.object,
    spec: {
      ...(review.request.object as unknown as ModelServing).spec,
      replicas,
      recoveryPolicy,
      rolloutStrategy: { type: 'RoleRollingUpdate' },
    },
  });
  const update = (object: object, oldObject: object) =>
    send(
      '/validate/modelservings',
      JSON.stringify({ ...review, request: { ...review.request, operation: 'UPDATE', object, oldObject } }),
    );
  const same = await update(faulty(2, 'ServingGroupRecreate'), faulty(1, 'ServingGroupRecreate'));
  t.match(same.response, { allowed: true });
  t.match(same.response.warnings?.join('\n'), /TND-109/);
  const fresh = await update(faulty(1, 'ServingGroupRecreate'), faulty(1, 'RoleRecreate'));
  t.match(fresh.response, { allowed: false, status: { message: /TND-109/ } });
});

t.test('scaling is judged by what the change itself makes wrong', async (t) => {
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const text = JSON.stringify(review.request.object).replaceAll('"0.0.0.0"', '"10.1.2.3"');
  const serving = JSON.parse(text) as RawObject;
  const { send } = await open(t, worldOf({ servings: [serving] }));
  const scale = (replicas: number, name = review.request.name) =>
    send(
      '/validate/modelservings-scale',
      JSON.stringify({
        ...review,
        request: { ...review.request, name, object: { kind: 'Scale', spec: { replicas } } },
      }),
    );
  t.match((await scale(1)).response, { allowed: true, warnings: undefined }, 'what was wrong before is not said again');
  t.match((await scale(2)).response.warnings, [/TND-025 .*saw 10\.1\.2\.3 for 2 pods/, /TND-025/]);
  t.equal((await scale(-1)).response.allowed, false);
  t.equal((await scale(3, 'unheard-of')).response.allowed, true);
});

t.test('what is going away is never held up', async (t) => {
  const { send } = await open(t);
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const metadata = { ...review.request.object.metadata, deletionTimestamp: '2026-11-21T00:00:00Z' };
  const object = { ...review.request.object, metadata, spec: { replicas: -1 } };
  for (const path of ['/mutate/modelservings', '/validate/modelservings']) {
    const body = JSON.stringify({ ...review, request: { ...review.request, object } });
    t.match((await send(path, body)).response, { allowed: true, patch: undefined }, path);
  }
});

t.test('what is no review is answered with 4xx, a code and what to do', async (t) => {
  const { send, call } = await open(t);
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
  const { send, call } = await open(t);
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
  const { send } = await open(t);
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

t.test('a sender that is slow or leaves is forgotten', async (t) => {
  const { call, send } = await open(t, worldOf(), 300);
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
  const { send } = await open(t);
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, i) =>
      send('/validate/modelservings', JSON.stringify({ ...review, request: { ...review.request, uid: `u${i}` } })),
    ),
  );
  t.ok(answers.every(({ status, response }, i) => status === 200 && response.uid === `u${i}`));
});

t.test('whatever the object is, the answer echoes the uid and its patch applies', async (t) => {
  const { send } = await open(t);
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
  const { call } = await open(t);
  for (const path of ['/healthz', '/readyz', '/metrics']) {
    t.equal((await call({ path, method: 'GET' }, (out) => out.end())).status, 200, path);
  }
});

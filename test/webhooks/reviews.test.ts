/** What the webhooks answer to recorded reviews: what is expanded, allowed, warned of and refused. */
import t from 'tap';
import type { Pod } from '../../src/api/kube.js';
import type { ModelServing } from '../../src/api/types.js';
import { buildControllerRevision, buildPod } from '../../src/core/rollout/children.js';
import { desiredOf } from '../../src/core/rollout/desired.js';
import type { RawObject } from '../../src/kube/client.js';
import { openServer, patched, type Review, recorded, worldOf } from './tls-server.js';

t.test('recorded reviews of ModelServings', async (t) => {
  const { send, metrics } = await openServer(t);
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
  const { send } = await openServer(t, worldOf({ nodes: [node], servings: [serving] }));

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
    const { send } = await openServer(t, worldOf({ servings: [serving] }));
    t.match((await send('/mutate/bindings', binding('demo-a-0-prefill-0-0'))).response, {
      allowed: true,
      patch: undefined,
    });
  });
});

t.test('a refusal names every error with rule, place, reason and fix', async (t) => {
  const { send } = await openServer(t);
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
  const { send } = await openServer(t);
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
  const { send } = await openServer(t, worldOf({ servings: [serving] }));
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
  const { send } = await openServer(t);
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const metadata = { ...review.request.object.metadata, deletionTimestamp: '2026-11-21T00:00:00Z' };
  const object = { ...review.request.object, metadata, spec: { replicas: -1 } };
  for (const path of ['/mutate/modelservings', '/validate/modelservings']) {
    const body = JSON.stringify({ ...review, request: { ...review.request, object } });
    t.match((await send(path, body)).response, { allowed: true, patch: undefined }, path);
  }
});

t.test('in mode pods a pod gets what its own revision says', async (t) => {
  const review = JSON.parse(await recorded('modelservings--CREATE')) as Review;
  const role = { name: 'prefill', workerReplicas: 0, entryTemplate: {} };
  const servingWith = (model: string, replicas: number) => ({
    metadata: {
      name: 's',
      namespace: 'dev',
      uid: 'u',
      annotations: { 'tandem.dev/expand': 'pods', 'tandem.dev/model': model, 'tandem.dev/accelerator': 'nvidia' },
    },
    spec: { replicas, template: { roles: [role] } },
  });
  const [before, now] = [servingWith('org/old', 2), servingWith('org/new', 2)];
  const desired = desiredOf(before as ModelServing);
  const slot = { serving: 's', group: 0, role: 'prefill', instance: 0, index: 0 };
  const stored = buildControllerRevision(desired, desired.revision);
  const modelOf = async (pod: object, revisions: readonly (typeof stored)[]) => {
    const { send } = await openServer(t, worldOf({ servings: [now], revisions }));
    const asked = { ...review, request: { ...review.request, namespace: 'dev', object: pod } } as Review;
    const answer = await send('/mutate/pods', JSON.stringify(asked));
    const { args = [] } = (patched(asked, answer) as unknown as Pod).spec.containers[0] ?? {};
    return args[args.indexOf('--served-model-name') + 1];
  };
  const old = buildPod(desired, slot, desired.revision, false);
  const fresh = buildPod(desiredOf(now as ModelServing), slot, desiredOf(now as ModelServing).revision, false);
  t.equal(await modelOf(old, [stored]), 'org/old', 'of a group that is not rolled yet');
  t.equal(await modelOf(fresh, [stored]), 'org/new');
  t.equal(await modelOf(old, []), 'org/new', 'a revision that nobody knows');
  const foreign = { ...stored, metadata: { ...stored.metadata, ownerReferences: [] } };
  t.equal(await modelOf(old, [foreign]), 'org/new', 'or that belongs to somebody else');
});

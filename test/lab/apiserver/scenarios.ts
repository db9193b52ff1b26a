/** What a client can see of an API server, as scenarios that run alike against the lab and against kube-apiserver. */
import type { Asked } from './api.js';
import type { Recorder, Scenario } from './transcript.js';
import { jsonPatchAnswer, startWebhookServer } from './webhook-server.js';

// biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever the server said
type Body = any;

const group = 'lab.tandem.dev';
const mergeType = 'application/merge-patch+json';
const strategicType = 'application/strategic-merge-patch+json';
const jsonType = 'application/json-patch+json';
const applyType = 'application/apply-patch+yaml';

const pod = (name: string, extra: object = {}, meta: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...meta },
  spec: { containers: [{ name: 'c', image: 'engine:1' }], ...extra },
});

const configMap = (name: string, data: Record<string, string>, meta: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...meta },
  data,
});

const message = (body: Body) => ({ reason: body.reason, message: body.message, details: body.details });
/** Go's maps have no order, and neither have errors in several fields. */
const causes = (body: Body) =>
  body.details?.causes?.map(({ field, message: text, reason: why }: Body) => `${field}: ${text} (${why})`).sort() ??
  message(body);
const reason = (body: Body) => ({ reason: body.reason, code: body.code });
const withoutManagers = (body: Body) => {
  const { managedFields: _managedFields, ...metadata } = body.metadata ?? {};
  return { ...body, metadata };
};

/** A definition with everything that our own definitions use. */
const widgets = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `widgets.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'], categories: ['all'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: {
            specReplicasPath: '.spec.replicas',
            statusReplicasPath: '.status.replicas',
            labelSelectorPath: '.status.selector',
          },
        },
        additionalPrinterColumns: [
          { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
          { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                required: ['size'],
                properties: {
                  replicas: { type: 'integer', format: 'int32', default: 1, minimum: 0, maximum: 100 },
                  size: { type: 'string', enum: ['small', 'large'] },
                  name: { type: 'string', minLength: 2, maxLength: 5, pattern: '^[a-z]+$' },
                  share: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
                  fixed: {
                    type: 'string',
                    'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'fixed is immutable' }],
                  },
                  open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                  labels: { type: 'object', additionalProperties: { type: 'string' } },
                  parts: {
                    type: 'array',
                    minItems: 1,
                    maxItems: 3,
                    items: {
                      type: 'object',
                      required: ['name'],
                      properties: { name: { type: 'string' }, count: { type: 'integer', default: 2 } },
                    },
                    'x-kubernetes-validations': [
                      {
                        rule: 'self.all(x, self.exists_one(y, y.name == x.name))',
                        message: 'names of parts must be unique',
                      },
                    ],
                  },
                  ports: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: {
                      type: 'object',
                      required: ['name'],
                      properties: { name: { type: 'string' }, port: { type: 'integer' } },
                    },
                  },
                },
                'x-kubernetes-validations': [
                  { rule: "!has(self.name) || self.size != 'large'", message: 'a large widget has no name' },
                ],
              },
              status: {
                type: 'object',
                properties: {
                  replicas: { type: 'integer' },
                  selector: { type: 'string' },
                  conditions: {
                    type: 'array',
                    items: { type: 'object', properties: { type: { type: 'string' }, status: { type: 'string' } } },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

const widget = (name: string, spec: object, meta: object = {}) => ({
  apiVersion: `${group}/v1`,
  kind: 'Widget',
  metadata: { name, ...meta },
  spec,
});

/** Makes the definition and waits until its kind is served. */
async function defineWidgets({ api }: Recorder): Promise<void> {
  await api.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { body: widgets });
  for (;;) {
    const { status } = await api.ask('GET', `/apis/${group}/v1/widgets`);
    if (status === 200) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const widgetsIn = (namespace: string) => `/apis/${group}/v1/namespaces/${namespace}/widgets`;
const podsIn = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`;
const mapsIn = (namespace: string) => `/api/v1/namespaces/${namespace}/configmaps`;

const patch = (type: string, body: unknown): Asked => ({ type, body });

export const scenarios: readonly Scenario[] = [
  {
    name: 'objects are created, read, replaced and deleted',
    async run(r, ns) {
      const maps = mapsIn(ns);
      await r.step('create', 'POST', maps, { body: configMap('a', { k: 'v' }) });
      await r.step('create it again', 'POST', maps, { body: configMap('a', {}) }, message);
      await r.step('create with a generated name', 'POST', maps, {
        body: configMap('', {}, { name: undefined, generateName: 'gen-' }),
      });
      await r.step('create without a name', 'POST', maps, { body: configMap('', {}, { name: undefined }) }, message);
      await r.step('create with a bad name', 'POST', maps, { body: configMap('Upper_Case', {}) }, message);
      await r.step(
        'create with a resourceVersion',
        'POST',
        maps,
        { body: configMap('b', {}, { resourceVersion: '1' }) },
        reason,
      );
      await r.step(
        'create in another namespace',
        'POST',
        maps,
        { body: configMap('b', {}, { namespace: 'other' }) },
        message,
      );
      await r.step(
        'create in a namespace that is not there',
        'POST',
        mapsIn('nowhere'),
        { body: configMap('b', {}) },
        message,
      );
      await r.step(
        'create with a dry run',
        'POST',
        `${maps}?dryRun=All`,
        { body: configMap('dry', {}) },
        withoutManagers,
      );
      await r.step('the dry run left nothing', 'GET', `${maps}/dry`, {}, message);
      const held = (await r.step('get', 'GET', `${maps}/a`)).body;
      await r.step('replace', 'PUT', `${maps}/a`, { body: { ...held, data: { k: 'w' } } }, withoutManagers);
      await r.step(
        'replace with the old version',
        'PUT',
        `${maps}/a`,
        { body: { ...held, data: { k: 'x' } } },
        message,
      );
      await r.step(
        'replace without a version',
        'PUT',
        `${maps}/a`,
        { body: configMap('a', { k: 'y' }) },
        withoutManagers,
      );
      await r.step('replace under another name', 'PUT', `${maps}/a`, { body: configMap('b', {}) }, message);
      await r.step('replace one that is not there', 'PUT', `${maps}/c`, { body: configMap('c', {}) }, message);
      await r.step('delete with a wrong uid', 'DELETE', `${maps}/a`, { body: { preconditions: { uid: 'x' } } }, reason);
      await r.step('delete', 'DELETE', `${maps}/a`);
      await r.step('delete it again', 'DELETE', `${maps}/a`, {}, message);
      await r.step('get what is gone', 'GET', `${maps}/a`, {}, message);
    },
  },
  {
    name: 'bad requests are refused in the words of the real server',
    async run(r, ns) {
      await r.step('an unknown kind', 'GET', '/apis/lab.tandem.dev/v9/things', {}, reason);
      await r.step('a wrong kind in the body', 'POST', mapsIn(ns), { body: pod('a') }, reason);
      await r.step('broken JSON', 'POST', mapsIn(ns), { text: '{"a":' }, reason);
      await r.step('a body of an unknown type', 'POST', mapsIn(ns), { text: 'x', type: 'text/plain' }, reason);
      await r.step(
        'an answer of an unknown type',
        'GET',
        mapsIn(ns),
        { accept: 'text/html' },
        (body: Body) => typeof body,
      );
      await r.step(
        'a wrong type of a field',
        'POST',
        podsIn(ns),
        { body: pod('a', { terminationGracePeriodSeconds: 'x' }) },
        reason,
      );
      await r.step(
        'an unknown field, strict',
        'POST',
        `${podsIn(ns)}?fieldValidation=Strict`,
        { body: pod('a', { nope: 1 }) },
        message,
      );
      await r.step(
        'an unknown field, warned',
        'POST',
        `${podsIn(ns)}?dryRun=All`,
        { body: pod('a', { nope: 1 }) },
        (body: Body) => body.spec?.nope ?? 'dropped',
      );
      await r.step(
        'an unknown field, ignored',
        'POST',
        `${podsIn(ns)}?dryRun=All&fieldValidation=Ignore`,
        { body: pod('a', { nope: 1 }) },
        (body: Body) => body.kind,
      );
      await r.step('a bad label selector', 'GET', `${podsIn(ns)}?labelSelector=a(b`, {}, reason);
      await r.step('a bad field selector', 'GET', `${podsIn(ns)}?fieldSelector=spec.nope=1`, {}, reason);
      await r.step('a method that is not allowed', 'POST', `${podsIn(ns)}/a`, { body: {} }, reason);
      await r.step('no token', 'GET', podsIn(ns), { token: 'wrong' }, message);
    },
  },
  {
    name: 'pods get defaults',
    async run(r, ns) {
      await r.step('a small pod', 'POST', podsIn(ns), { body: pod('small') }, withoutManagers);
      await r.step(
        'a serving pod',
        'POST',
        podsIn(ns),
        {
          body: pod('serving', {
            hostNetwork: true,
            containers: [
              {
                name: 'engine',
                image: 'registry/engine',
                ports: [{ containerPort: 8000 }],
                env: [{ name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }, { name: 'EMPTY' }],
                resources: { limits: { 'nvidia.com/gpu': 2, memory: '2048Mi', cpu: '0.5' } },
                startupProbe: { httpGet: { port: 8000 } },
                livenessProbe: { tcpSocket: { port: 8000 }, periodSeconds: 5 },
                lifecycle: { preStop: { exec: { command: ['sleep', '1'] } } },
                volumeMounts: [{ name: 'shm', mountPath: '/dev/shm' }],
              },
            ],
            initContainers: [
              {
                name: 'download',
                image: 'loader:2@sha256:0000000000000000000000000000000000000000000000000000000000000000',
              },
            ],
            volumes: [
              { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '1Gi' } },
              { name: 'host', hostPath: { path: '/etc' } },
              { name: 'bare' },
            ],
            tolerations: [{ operator: 'Exists' }],
          }),
        },
        withoutManagers,
      );
      await r.step(
        'a gated pod',
        'POST',
        podsIn(ns),
        { body: pod('gated', { schedulingGates: [{ name: 'tandem.dev/wait' }] }) },
        (body: Body) => ({ status: body.status, gates: body.spec.schedulingGates }),
      );
    },
  },
  {
    name: 'pods are validated',
    async run(r, ns) {
      const bad: readonly [string, object][] = [
        ['no containers', { containers: [] }],
        ['a container without a name', { containers: [{ image: 'x' }] }],
        ['a container without an image', { containers: [{ name: 'c' }] }],
        [
          'two containers of one name',
          {
            containers: [
              { name: 'c', image: 'x' },
              { name: 'c', image: 'x' },
            ],
          },
        ],
        [
          'a mount without a volume',
          { containers: [{ name: 'c', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
        ],
        ['a wrong restart policy', { restartPolicy: 'Sometimes' }],
        [
          'more asked than allowed',
          { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }] },
        ],
        [
          'a device without a limit',
          { containers: [{ name: 'c', image: 'x', resources: { requests: { 'nvidia.com/gpu': '1' } } }] },
        ],
        [
          'half a device',
          { containers: [{ name: 'c', image: 'x', resources: { limits: { 'nvidia.com/gpu': '0.5' } } }] },
        ],
        [
          'a probe without a handler',
          { containers: [{ name: 'c', image: 'x', readinessProbe: { periodSeconds: 1 } }] },
        ],
        ['a port out of range', { containers: [{ name: 'c', image: 'x', ports: [{ containerPort: 70000 }] }] }],
        ['a variable without a name', { containers: [{ name: 'c', image: 'x', env: [{ value: 'x' }] }] }],
        [
          'an unknown field reference',
          {
            containers: [
              { name: 'c', image: 'x', env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.nope' } } }] },
            ],
          },
        ],
        ['a negative grace period', { terminationGracePeriodSeconds: -1 }],
        ['two volumes of one name', { volumes: [{ name: 'v' }, { name: 'v' }] }],
      ];
      for (const [title, spec] of bad) await r.step(title, 'POST', podsIn(ns), { body: pod('bad', spec) }, message);
      await r.step('a bad label', 'POST', podsIn(ns), { body: pod('bad', {}, { labels: { 'a b': 'x' } }) }, message);
      await r.step('a good pod', 'POST', podsIn(ns), { body: pod('good') }, (body: Body) => body.metadata.generation);
      await r.step(
        'its spec is fixed',
        'PATCH',
        `${podsIn(ns)}/good`,
        patch(mergeType, { spec: { hostname: 'x' } }),
        reason,
      );
      await r.step(
        'its image may change',
        'PATCH',
        `${podsIn(ns)}/good`,
        patch(strategicType, { spec: { containers: [{ name: 'c', image: 'engine:2' }] } }),
        (body: Body) => [body.spec?.containers[0].image, body.metadata.generation],
      );
    },
  },
  {
    name: 'pods are bound and deleted with grace',
    async run(r, ns) {
      const pods = podsIn(ns);
      const binding = (node: string) => ({
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'a', annotations: { placed: 'yes' } },
        target: { kind: 'Node', name: node },
      });
      await r.step('create', 'POST', pods, { body: pod('a') }, (body: Body) => body.status);
      await r.step('bind to nothing', 'POST', `${pods}/a/binding`, { body: { ...binding(''), target: {} } }, reason);
      await r.step('bind', 'POST', `${pods}/a/binding`, { body: binding('n1') });
      await r.step('bind again', 'POST', `${pods}/a/binding`, { body: binding('n2') }, message);
      await r.step('the bound pod', 'GET', `${pods}/a`, {}, (body: Body) => ({
        node: body.spec.nodeName,
        annotations: body.metadata.annotations,
        status: body.status,
        generation: body.metadata.generation,
      }));
      await r.step(
        'status by the kubelet',
        'PATCH',
        `${pods}/a/status`,
        patch(strategicType, {
          status: { phase: 'Running', podIP: '127.0.0.9', conditions: [{ type: 'Ready', status: 'True' }] },
        }),
        (body: Body) => ({
          phase: body.status.phase,
          ip: body.status.podIP,
          conditions: body.status.conditions?.map(({ type }: Body) => type),
        }),
      );
      await r.step('delete with the default grace', 'DELETE', `${pods}/a`, {}, (body: Body) => ({
        kind: body.kind,
        grace: body.metadata.deletionGracePeriodSeconds,
        isMarked: body.metadata.deletionTimestamp !== undefined,
        generation: body.metadata.generation,
      }));
      await r.step('it waits', 'GET', `${pods}/a`, {}, (body: Body) => body.kind);
      await r.step(
        'delete with less grace',
        'DELETE',
        `${pods}/a`,
        { body: { gracePeriodSeconds: 5 } },
        (body: Body) => body.metadata.deletionGracePeriodSeconds,
      );
      await r.step(
        'delete with more grace',
        'DELETE',
        `${pods}/a`,
        { body: { gracePeriodSeconds: 60 } },
        (body: Body) => body.metadata.deletionGracePeriodSeconds,
      );
      await r.step(
        'delete at once',
        'DELETE',
        `${pods}/a`,
        { body: { gracePeriodSeconds: 0 } },
        (body: Body) => body.kind,
      );
      await r.step('it is gone', 'GET', `${pods}/a`, {}, reason);
      await r.step('an unbound pod', 'POST', pods, { body: pod('b') }, reason);
      await r.step('goes at once', 'DELETE', `${pods}/b`, {}, (body: Body) => body.kind);
      await r.step('and is gone', 'GET', `${pods}/b`, {}, reason);
      await r.step(
        'a pod with a finalizer',
        'POST',
        pods,
        { body: pod('f', {}, { finalizers: ['lab.tandem.dev/hold'] }) },
        reason,
      );
      await r.step(
        'is only marked',
        'DELETE',
        `${pods}/f`,
        {},
        (body: Body) => body.metadata.deletionGracePeriodSeconds,
      );
      await r.step(
        'takes no new finalizer',
        'PATCH',
        `${pods}/f`,
        patch(mergeType, { metadata: { finalizers: ['lab.tandem.dev/hold', 'lab.tandem.dev/more'] } }),
        message,
      );
      await r.step(
        'and goes with its last one',
        'PATCH',
        `${pods}/f`,
        patch(mergeType, { metadata: { finalizers: null } }),
        reason,
      );
      await r.step('really', 'GET', `${pods}/f`, {}, reason);
    },
  },
  {
    name: 'services and secrets',
    async run(r, ns) {
      const services = `/api/v1/namespaces/${ns}/services`;
      const service = (name: string, spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec });
      await r.step(
        'headless',
        'POST',
        services,
        { body: service('headless', { clusterIP: 'None', selector: { a: 'b' }, ports: [{ port: 80 }] }) },
        withoutManagers,
      );
      await r.step(
        'with an address',
        'POST',
        services,
        { body: service('plain', { ports: [{ port: 80, targetPort: 'http', name: 'x' }] }) },
        withoutManagers,
      );
      await r.step('without ports', 'POST', services, { body: service('bad', {}) }, message);
      await r.step(
        'two ports without names',
        'POST',
        services,
        { body: service('bad', { ports: [{ port: 1 }, { port: 2 }] }) },
        message,
      );
      await r.step(
        'apply keeps the address',
        'PATCH',
        `${services}/plain`,
        patch(mergeType, { metadata: { labels: { x: 'y' } } }),
        (body: Body) => body.spec,
      );
      const secrets = `/api/v1/namespaces/${ns}/secrets`;
      await r.step(
        'a secret in clear',
        'POST',
        secrets,
        { body: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { a: 'b' } } },
        withoutManagers,
      );
      await r.step(
        'a TLS secret without key',
        'POST',
        secrets,
        { body: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 't' }, type: 'kubernetes.io/tls', data: {} } },
        message,
      );
    },
  },
  {
    name: 'patches',
    async run(r, ns) {
      const maps = mapsIn(ns);
      const dataOf = (body: Body) => body.data ?? message(body);
      await r.step('create', 'POST', maps, { body: configMap('a', { k: 'v', l: 'w' }) }, dataOf);
      await r.step('merge', 'PATCH', `${maps}/a`, patch(mergeType, { data: { k: null, m: 'x' } }), dataOf);
      await r.step(
        'JSON',
        'PATCH',
        `${maps}/a`,
        patch(jsonType, [
          { op: 'test', path: '/data/m', value: 'x' },
          { op: 'replace', path: '/data/m', value: 'y' },
        ]),
        dataOf,
      );
      await r.step(
        'JSON with a failing test',
        'PATCH',
        `${maps}/a`,
        patch(jsonType, [{ op: 'test', path: '/data/m', value: 'z' }]),
        reason,
      );
      await r.step(
        'JSON at a path that is not there',
        'PATCH',
        `${maps}/a`,
        patch(jsonType, [{ op: 'remove', path: '/data/none' }]),
        reason,
      );
      await r.step(
        'a version that is old',
        'PATCH',
        `${maps}/a`,
        patch(mergeType, { metadata: { resourceVersion: '1' } }),
        message,
      );
      await r.step('what is not there', 'PATCH', `${maps}/none`, patch(mergeType, {}), message);
      await r.step('an unknown kind of patch', 'PATCH', `${maps}/a`, patch('application/x-patch', {}), reason);
      await r.step('a no-op keeps the version', 'PATCH', `${maps}/a`, patch(mergeType, { data: { m: 'y' } }), dataOf);
      const pods = podsIn(ns);
      const containers = [
        {
          name: 'c',
          image: 'x:1',
          env: [
            { name: 'A', value: '1' },
            { name: 'B', value: '2' },
          ],
        },
        { name: 'd', image: 'y:1' },
      ];
      await r.step(
        'a pod',
        'POST',
        pods,
        { body: pod('p', { containers, tolerations: [{ key: 'a', operator: 'Exists' }] }) },
        reason,
      );
      await r.step(
        'strategic by key',
        'PATCH',
        `${pods}/p`,
        patch(strategicType, { spec: { $setElementOrder: undefined, containers: [{ name: 'd', image: 'y:2' }] } }),
        (body: Body) => body.spec?.containers?.map(({ name, image }: Body) => [name, image]),
      );
      await r.step(
        'strategic on labels',
        'PATCH',
        `${pods}/p`,
        patch(strategicType, { metadata: { labels: { a: 'b' }, finalizers: ['lab.tandem.dev/x'] } }),
        (body: Body) => [body.metadata.labels, body.metadata.finalizers],
      );
      await r.step(
        'strategic deletes from a list',
        'PATCH',
        `${pods}/p`,
        patch(strategicType, {
          metadata: { '$deleteFromPrimitiveList/finalizers': ['lab.tandem.dev/x'] },
        }),
        (body: Body) => body.metadata?.finalizers ?? 'none',
      );
      await r.step(
        'strategic replaces conditions by type',
        'PATCH',
        `${pods}/p/status`,
        patch(strategicType, { status: { conditions: [{ type: 'Ready', status: 'False' }] } }),
        (body: Body) => body.status.conditions,
      );
      await r.step(
        'strategic again',
        'PATCH',
        `${pods}/p/status`,
        patch(strategicType, {
          status: {
            conditions: [
              { type: 'Ready', status: 'True', reason: 'X' },
              { type: 'Other', status: 'True' },
            ],
          },
        }),
        (body: Body) => body.status.conditions,
      );
      await r.step(
        'strategic deletes by key',
        'PATCH',
        `${pods}/p/status`,
        patch(strategicType, { status: { conditions: [{ type: 'Ready', $patch: 'delete' }] } }),
        (body: Body) => body.status.conditions,
      );
    },
  },
  {
    name: 'lists, selectors and pages',
    async run(r, ns) {
      const maps = mapsIn(ns);
      const names = (body: Body) => body.items?.map(({ metadata }: Body) => metadata.name) ?? message(body);
      for (const [name, labels] of [
        ['a', { app: 'x', tier: '1' }],
        ['b', { app: 'x', tier: '2' }],
        ['c', { app: 'y' }],
        ['d', {}],
      ] as const) {
        await r.api.ask('POST', maps, { body: configMap(name, {}, { labels }) });
      }
      const mine = (query: string) => `${maps}?${query}`;
      for (const selector of [
        'app=x',
        'app==x,tier!=1',
        'app in (x,y)',
        'app notin (x)',
        'tier',
        '!tier',
        'tier>1',
        'app!=x',
      ]) {
        await r.step(
          `labels ${selector}`,
          'GET',
          mine(`labelSelector=${encodeURIComponent(selector)}`),
          {},
          (body: Body) => names(body)?.filter((name: string) => name.length === 1),
        );
      }
      await r.step('by name', 'GET', mine('fieldSelector=metadata.name%3Db'), {}, names);
      await r.step('not by name', 'GET', mine('labelSelector=app&fieldSelector=metadata.name!%3Db'), {}, names);
      const first = (
        await r.step('first page', 'GET', mine('limit=2&labelSelector=app'), {}, (body: Body) => [
          names(body),
          body.metadata.remainingItemCount ?? 'unknown',
          body.metadata.continue !== undefined,
        ])
      ).body;
      await r.step(
        'second page',
        'GET',
        mine(`limit=2&labelSelector=app&continue=${encodeURIComponent(first.metadata.continue)}`),
        {},
        (body: Body) => [names(body), body.metadata.continue ?? 'end'],
      );
      await r.step('a bad token', 'GET', mine('limit=2&continue=abc'), {}, (body: Body) => body.code >= 400);
      await r.step(
        'metadata only',
        'GET',
        mine('labelSelector=app%3Dy'),
        { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1' },
        (body: Body) => [body.kind, body.items.map((item: Body) => Object.keys(item).sort())],
      );
      await r.step('pods by node', 'GET', `${podsIn(ns)}?fieldSelector=spec.nodeName%3Dn1`, {}, names);
      await r.step('a list', 'GET', mine('labelSelector=app%3Dy'), {}, (body: Body) => ({
        ...body,
        items: body.items.map(withoutManagers),
      }));
      await r.step('delete some', 'DELETE', mine('labelSelector=app%3Dx'), {}, (body: Body) => body.kind);
      await r.step('the others are left', 'GET', mine(''), {}, (body: Body) =>
        names(body).filter((name: string) => name.length === 1),
      );
    },
  },
  {
    name: 'watches',
    async run(r, ns) {
      const maps = mapsIn(ns);
      const seen = (event: Body) => [
        event.type,
        event.object.metadata?.name ?? event.object.reason,
        event.object.data ?? null,
      ];
      const { body: list } = await r.api.ask('GET', maps);
      await r.api.ask('POST', maps, { body: configMap('a', { n: '1' }, { labels: { on: 'yes' } }) });
      const all = await r.api.watch(`${maps}?watch=1&resourceVersion=${list.metadata.resourceVersion}`);
      const chosen = await r.api.watch(
        `${maps}?watch=1&labelSelector=on%3Dyes&resourceVersion=${list.metadata.resourceVersion}`,
      );
      await r.api.ask('PATCH', `${maps}/a`, patch(mergeType, { data: { n: '2' } }));
      await r.api.ask('PATCH', `${maps}/a`, patch(mergeType, { metadata: { labels: { on: 'no' } } }));
      await r.api.ask('PATCH', `${maps}/a`, patch(mergeType, { metadata: { labels: { on: 'yes' } } }));
      await r.api.ask('DELETE', `${maps}/a`);
      for (const number of [1, 2, 3, 4, 5]) r.note(`all ${number}`, seen(await all.next()));
      for (const number of [1, 2, 3, 4, 5]) r.note(`chosen ${number}`, seen(await chosen.next()));
      all.close();
      chosen.close();
      await r.api.ask('POST', maps, { body: configMap('b', {}) });
      const initial = await r.api.watch(
        `${maps}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=none&resourceVersion=`,
      );
      const mark = await initial.next();
      r.note('initial events end with a bookmark', [mark.type, mark.object.kind, mark.object.metadata.annotations]);
      initial.close();
      const tables = await r.api.watch(
        `${maps}?watch=1&fieldSelector=metadata.name%3Db`,
        'application/json;as=Table;g=meta.k8s.io;v=v1',
      );
      const row = await tables.next();
      r.note('as a table', [
        row.type,
        row.object.kind,
        row.object.columnDefinitions.map(({ name }: Body) => name),
        row.object.rows[0].cells.slice(0, 2),
      ]);
      tables.close();
    },
  },
  {
    name: 'custom resources are defaulted, pruned and validated',
    async run(r, ns) {
      await defineWidgets(r);
      const path = widgetsIn(ns);
      await r.step(
        'the definition',
        'GET',
        `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.${group}`,
        {},
        (body: Body) => ({
          names: body.status.acceptedNames,
          stored: body.status.storedVersions,
          conditions: body.status.conditions.map(({ type, status, reason: why }: Body) => [type, status, why]).sort(),
          spec: [body.spec.conversion, body.spec.names.listKind],
        }),
      );
      await r.step(
        'create',
        'POST',
        path,
        { body: widget('a', { size: 'small', parts: [{ name: 'x' }], share: '25%', open: { any: [1] } }) },
        withoutManagers,
      );
      await r.step(
        'unknown fields, warned',
        'POST',
        path,
        { body: widget('b', { size: 'small', nope: 1, parts: [{ name: 'x', more: 2 }] }) },
        (body: Body) => body.spec,
      );
      await r.step(
        'unknown fields, strict',
        'POST',
        `${path}?fieldValidation=Strict`,
        { body: widget('c', { size: 'small', nope: 1 }) },
        message,
      );
      const bad: readonly [string, object][] = [
        ['a missing field', {}],
        ['a wrong enum', { size: 'huge' }],
        ['a wrong type', { size: 'small', replicas: 'x' }],
        ['below the minimum', { size: 'small', replicas: -1 }],
        ['above the maximum', { size: 'small', replicas: 101 }],
        ['too short', { size: 'small', name: 'a' }],
        ['too long', { size: 'small', name: 'abcdef' }],
        ['a wrong pattern', { size: 'small', name: 'AB' }],
        ['too few items', { size: 'small', parts: [] }],
        ['too many items', { size: 'small', parts: ['a', 'b', 'c', 'd'].map((name) => ({ name })) }],
        ['a missing field in a list', { size: 'small', parts: [{ count: 1 }] }],
        ['a rule on a list', { size: 'small', parts: [{ name: 'a' }, { name: 'a' }] }],
        ['a rule on an object', { size: 'large', name: 'abc' }],
        ['a repeated key', { size: 'small', ports: [{ name: 'a' }, { name: 'a' }] }],
        ['neither integer nor string', { size: 'small', share: true }],
        ['a null', { size: null }],
        ['a wrong value in a map', { size: 'small', labels: { a: 1 } }],
        ['two errors at once', { size: 'huge', replicas: -1 }],
      ];
      for (const [title, spec] of bad) await r.step(title, 'POST', path, { body: widget('bad', spec) }, causes);
      await r.step(
        'no spec',
        'POST',
        path,
        { body: { apiVersion: `${group}/v1`, kind: 'Widget', metadata: { name: 'bad' } } },
        message,
      );
      await r.step('fixed', 'POST', path, { body: widget('fixed', { size: 'small', fixed: 'a' }) }, reason);
      await r.step('is fixed', 'PATCH', `${path}/fixed`, patch(mergeType, { spec: { fixed: 'b' } }), message);
      await r.step('replace without a version', 'PUT', `${path}/a`, { body: widget('a', { size: 'small' }) }, message);
      await r.step('a strategic patch', 'PATCH', `${path}/a`, patch(strategicType, {}), reason);
      await r.step(
        'YAML',
        'POST',
        path,
        {
          text: `apiVersion: ${group}/v1\nkind: Widget\nmetadata:\n  name: yaml\nspec:\n  size: small\n`,
          type: 'application/yaml',
        },
        (body: Body) => body.spec,
      );
      await r.step(
        'as a table',
        'GET',
        `${path}/a`,
        { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' },
        (body: Body) => [
          body.columnDefinitions.map(({ name, type, priority }: Body) => [name, type, priority]),
          body.rows[0].cells.slice(0, 3),
        ],
      );
    },
  },
  {
    name: 'status, scale and generation',
    async run(r, ns) {
      await defineWidgets(r);
      const path = `${widgetsIn(ns)}/a`;
      const facts = (body: Body) => ({
        spec: body.spec,
        status: body.status ?? null,
        generation: body.metadata?.generation,
        labels: body.metadata?.labels ?? null,
      });
      await r.step(
        'a status in a create is dropped',
        'POST',
        widgetsIn(ns),
        { body: { ...widget('a', { size: 'small' }), status: { replicas: 9 } } },
        facts,
      );
      await r.step(
        'metadata does not count',
        'PATCH',
        path,
        patch(mergeType, { metadata: { labels: { a: 'b' } } }),
        facts,
      );
      await r.step('the spec counts', 'PATCH', path, patch(mergeType, { spec: { replicas: 2 } }), facts);
      await r.step('the status stays', 'PATCH', path, patch(mergeType, { status: { replicas: 5 } }), facts);
      await r.step(
        'status',
        'PATCH',
        `${path}/status`,
        patch(mergeType, {
          status: { replicas: 2, selector: 'a=b' },
          spec: { replicas: 7 },
          metadata: { labels: { a: 'c' } },
        }),
        facts,
      );
      await r.step(
        'a wrong status',
        'PATCH',
        `${path}/status`,
        patch(mergeType, { status: { replicas: 'x' } }),
        message,
      );
      const scale = (await r.step('scale', 'GET', `${path}/scale`)).body;
      await r.step('scaled', 'PUT', `${path}/scale`, { body: { ...scale, spec: { replicas: 4 } } });
      await r.step('scaled by a patch', 'PATCH', `${path}/scale`, patch(mergeType, { spec: { replicas: 3 } }));
      await r.step('scaled below zero', 'PATCH', `${path}/scale`, patch(mergeType, { spec: { replicas: -3 } }), reason);
      await r.step(
        'scaled from an old version',
        'PUT',
        `${path}/scale`,
        { body: { ...scale, spec: { replicas: 9 } } },
        reason,
      );
      await r.step('in the end', 'GET', path, {}, facts);
      await r.step('managers', 'GET', path, {}, (body: Body) => body.metadata.managedFields);
      await r.step('no such part', 'GET', `${path}/nope`, {}, reason);
    },
  },
  {
    name: 'server-side apply',
    async run(r, ns) {
      const maps = mapsIn(ns);
      const apply = (name: string, manager: string, data: Record<string, string>, force = false) =>
        [
          `${maps}/${name}?fieldManager=${manager}${force ? '&force=true' : ''}`,
          { type: applyType, body: configMap(name, data) },
        ] as const;
      await r.step('without a manager', 'PATCH', `${maps}/a`, { type: applyType, body: configMap('a', {}) }, reason);
      await r.step('creates', 'PATCH', ...apply('a', 'one', { x: '1', y: '1' }));
      await r.step('a second owner', 'PATCH', ...apply('a', 'two', { x: '1', z: '1' }));
      await r.step('a conflict', 'PATCH', ...apply('a', 'two', { x: '2', z: '1' }), message);
      await r.step('forced', 'PATCH', ...apply('a', 'two', { x: '2', z: '1' }, true));
      await r.step('what the first still has', 'PATCH', ...apply('a', 'one', { y: '1' }), (body: Body) => body.data);
      await r.step(
        'what it no longer applies goes',
        'PATCH',
        ...apply('a', 'one', {}),
        (body: Body) => body.data ?? null,
      );
      await r.step('an update takes over', 'PATCH', `${maps}/a`, patch(mergeType, { data: { z: '9' } }));
      await r.step('a conflict with an update', 'PATCH', ...apply('a', 'two', { x: '3', z: '1' }), (body: Body) => ({
        ...message(body),
        message: undefined,
      }));
      await r.step(
        'YAML',
        'PATCH',
        `${maps}/yaml?fieldManager=one`,
        { type: applyType, text: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\ndata: {a: b}\n' },
        (body: Body) => body.data,
      );
      const pods = podsIn(ns);
      const applyPod = (manager: string, spec: object, query = '') =>
        [`${pods}/p?fieldManager=${manager}${query}`, { type: applyType, body: pod('p', spec) }] as const;
      await r.step(
        'a pod',
        'PATCH',
        ...applyPod('one', {
          containers: [
            {
              name: 'c',
              image: 'x:1',
              ports: [{ containerPort: 80 }],
              env: [
                { name: 'A', value: '1' },
                { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
              ],
            },
          ],
        }),
        (body: Body) => body.metadata.managedFields,
      );
      await r.step(
        'the same pod again',
        'PATCH',
        ...applyPod('one', {
          containers: [
            {
              name: 'c',
              image: 'x:1',
              ports: [{ containerPort: 80 }],
              env: [
                { name: 'A', value: '1' },
                { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
              ],
            },
          ],
        }),
        (body: Body) => body.metadata.generation,
      );
      await r.step(
        'another image',
        'PATCH',
        ...applyPod('two', { containers: [{ name: 'c', image: 'x:2' }] }),
        message,
      );
      await r.step(
        'another image by force',
        'PATCH',
        ...applyPod('two', { containers: [{ name: 'c', image: 'x:2' }] }, '&force=true'),
        (body: Body) => body.spec?.containers,
      );
      await r.step(
        'a pod created by POST',
        'POST',
        pods,
        {
          body: pod(
            'q',
            {
              containers: [
                { name: 'c', image: 'x', ports: [{ containerPort: 80 }], resources: { limits: { cpu: 1 } } },
              ],
            },
            { labels: { a: 'b' } },
          ),
        },
        (body: Body) => body.metadata.managedFields,
      );
      await r.step(
        'its status',
        'PATCH',
        `${pods}/q/status`,
        patch(strategicType, { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } }),
        (body: Body) =>
          body.metadata.managedFields.map(({ subresource, fieldsV1 }: Body) => [subresource ?? '', fieldsV1]),
      );
    },
  },
  {
    name: 'server-side apply of custom resources',
    async run(r, ns) {
      await defineWidgets(r);
      const path = `${widgetsIn(ns)}/a`;
      const apply = (manager: string, spec: object, query = '') =>
        [`${path}?fieldManager=${manager}${query}`, { type: applyType, body: widget('a', spec) }] as const;
      await r.step(
        'creates',
        'PATCH',
        ...apply('one', { size: 'small', ports: [{ name: 'a', port: 1 }], parts: [{ name: 'x' }] }),
      );
      await r.step(
        'another key of a list',
        'PATCH',
        ...apply('two', { ports: [{ name: 'b', port: 2 }] }),
        (body: Body) => body.spec ?? body.message,
      );
      await r.step('the same key', 'PATCH', ...apply('two', { ports: [{ name: 'a', port: 2 }] }), message);
      await r.step('a whole list', 'PATCH', ...apply('two', { parts: [{ name: 'y' }] }), message);
      await r.step('takes its key away', 'PATCH', ...apply('two', {}), (body: Body) => body.spec);
      await r.step(
        'changes its list',
        'PATCH',
        ...apply('one', {
          size: 'small',
          ports: [
            { name: 'c', port: 3 },
            { name: 'a', port: 1 },
          ],
        }),
        (body: Body) => body.spec,
      );
      await r.step(
        'status',
        'PATCH',
        `${path}/status?fieldManager=one`,
        {
          type: applyType,
          body: {
            ...widget('a', { size: 'large' }),
            status: { replicas: 1, conditions: [{ type: 'Ready', status: 'True' }] },
          },
        },
        (body: Body) => [body.spec, body.status, body.metadata.managedFields],
      );
      await r.step('strict', 'PATCH', ...apply('one', { size: 'small', nope: 1 }, '&fieldValidation=Strict'), reason);
    },
  },
  {
    name: 'owners and their dependents',
    async run(r, ns) {
      const maps = mapsIn(ns);
      const owner = async (name: string) =>
        (await r.api.ask('POST', maps, { body: configMap(name, {}) })).body.metadata;
      const dependent = (name: string, { name: of, uid }: { name: string; uid: string }, extra: object = {}) =>
        r.api.ask('POST', maps, {
          body: configMap(
            name,
            {},
            { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: of, uid, ...extra }] },
          ),
        });
      const gone = async (name: string) => {
        while ((await r.api.ask('GET', `${maps}/${name}`)).status !== 404)
          await new Promise((resolve) => setTimeout(resolve, 20));
        r.note(`${name} is gone`, true);
      };
      await dependent('background-child', await owner('background'));
      await r.step(
        'delete in the background',
        'DELETE',
        `${maps}/background`,
        { body: { propagationPolicy: 'Background' } },
        (body: Body) => body.status,
      );
      await gone('background-child');
      const held = await owner('foreground');
      await dependent('foreground-child', held, { blockOwnerDeletion: true });
      await r.api.ask(
        'PATCH',
        `${maps}/foreground-child`,
        patch(mergeType, { metadata: { finalizers: ['lab.tandem.dev/hold'] } }),
      );
      await r.step(
        'delete in the foreground',
        'DELETE',
        `${maps}/foreground`,
        { body: { propagationPolicy: 'Foreground' } },
        (body: Body) => [body.kind, body.metadata.finalizers],
      );
      while ((await r.api.ask('GET', `${maps}/foreground-child`)).body.metadata.deletionTimestamp === undefined)
        await new Promise((resolve) => setTimeout(resolve, 20));
      await r.step('the owner waits', 'GET', `${maps}/foreground`, {}, (body: Body) => body.metadata.finalizers);
      await r.api.ask('PATCH', `${maps}/foreground-child`, patch(mergeType, { metadata: { finalizers: null } }));
      await gone('foreground-child');
      await gone('foreground');
      await dependent('orphan-child', await owner('orphaned'));
      await r.step('orphan', 'DELETE', `${maps}/orphaned`, { body: { propagationPolicy: 'Orphan' } }, (body: Body) => [
        body.kind,
        body.metadata.finalizers,
      ]);
      await gone('orphaned');
      await r.step(
        'the orphan stays',
        'GET',
        `${maps}/orphan-child`,
        {},
        (body: Body) => body.metadata.ownerReferences ?? 'no owner',
      );
      await dependent('lost', { name: 'never', uid: '00000000-0000-0000-0000-000000000000' });
      await gone('lost');
      await r.step(
        'two controllers',
        'POST',
        maps,
        {
          body: configMap(
            'two',
            {},
            {
              ownerReferences: ['a', 'b'].map((name) => ({
                apiVersion: 'v1',
                kind: 'ConfigMap',
                name,
                uid: name,
                controller: true,
              })),
            },
          ),
        },
        reason,
      );
    },
  },
  {
    name: 'namespaces go with what they hold',
    async run(r, ns) {
      const path = `/api/v1/namespaces/${ns}-inner`;
      await r.step(
        'create',
        'POST',
        '/api/v1/namespaces',
        { body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: `${ns}-inner` } } },
        withoutManagers,
      );
      await r.api.ask('POST', mapsIn(`${ns}-inner`), {
        body: configMap('a', {}, { finalizers: ['lab.tandem.dev/hold'] }),
      });
      await r.step('delete', 'DELETE', path, {}, (body: Body) => [body.kind, body.status.phase, body.spec]);
      await r.step('takes nothing new', 'POST', mapsIn(`${ns}-inner`), { body: configMap('b', {}) }, (body: Body) => [
        body.reason,
        body.code,
      ]);
      while ((await r.api.ask('GET', `${mapsIn(`${ns}-inner`)}/a`)).body.metadata?.deletionTimestamp === undefined)
        await new Promise((resolve) => setTimeout(resolve, 20));
      await r.step('waits for its content', 'GET', path, {}, (body: Body) => body.status.phase);
      await r.api.ask('PATCH', `${mapsIn(`${ns}-inner`)}/a`, patch(mergeType, { metadata: { finalizers: null } }));
      while ((await r.api.ask('GET', path)).status !== 404) await new Promise((resolve) => setTimeout(resolve, 50));
      r.note('gone', true);
      await r.step('default stays', 'DELETE', '/api/v1/namespaces/default', {}, message);
    },
  },
  {
    name: 'admission webhooks',
    async run(r, ns) {
      await defineWidgets(r);
      const put = (name: string, value: unknown) => ({ op: 'add', path: `/metadata/annotations/${name}`, value });
      const order = (request: Body) => `${request.object.metadata.annotations?.order ?? ''}`;
      await using hooks = await startWebhookServer({
        '/first': (request) =>
          jsonPatchAnswer([{ op: 'add', path: '/metadata/annotations', value: { order: `${order(request)}1` } }], {
            warnings: ['the first has changed something'],
          }),
        '/second': (request) =>
          jsonPatchAnswer([put('order', `${order(request)}2`), { op: 'add', path: '/spec/size', value: 'small' }]),
        '/bad': () => jsonPatchAnswer([{ op: 'add', path: '/spec/replicas', value: -5 }]),
        '/deny': () => ({ allowed: false, status: { code: 409, reason: 'Conflict', message: 'not today' } }),
        '/silent': () => ({ allowed: false }),
        '/allow': () => ({ allowed: true, warnings: ['seen'] }),
        '/binding': () =>
          jsonPatchAnswer([{ op: 'add', path: '/metadata/labels', value: { 'topology.tandem.dev/leaf': 'r1' } }]),
      });
      const hook = (name: string, path: string, rule: object, more: object = {}) => ({
        name: `${name}.lab.tandem.dev`,
        clientConfig: { url: `https://127.0.0.1:${hooks.port}${path}`, caBundle: hooks.caBundle },
        rules: [
          {
            operations: ['CREATE', 'UPDATE'],
            apiGroups: [group],
            apiVersions: ['v1'],
            resources: ['widgets'],
            ...rule,
          },
        ],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': ns } },
        ...more,
      });
      const admission = '/apis/admissionregistration.k8s.io/v1';
      const made: string[] = [];
      const configure = async (kind: 'Mutating' | 'Validating', name: string, webhooks: readonly object[]) => {
        const path = `${admission}/${kind.toLowerCase()}webhookconfigurations`;
        await r.api.ask('DELETE', `${path}/${ns}-${name}`);
        const { status, body } = await r.api.ask('POST', path, {
          body: {
            apiVersion: 'admissionregistration.k8s.io/v1',
            kind: `${kind}WebhookConfiguration`,
            metadata: { name: `${ns}-${name}` },
            webhooks,
          },
        });
        if (status !== 201) throw new Error(JSON.stringify(body));
        made.push(`${path}/${ns}-${name}`);
        return body;
      };
      /** kube-apiserver learns of a configuration a moment later: ask until it shows. */
      const until = async (shows: () => Promise<boolean>) => {
        while (!(await shows())) await new Promise((resolve) => setTimeout(resolve, 20));
      };
      const dry = async (spec: object) =>
        r.api.ask('POST', `${widgetsIn(ns)}?dryRun=All`, { body: widget('probe', spec) });
      const forget = async () => {
        for (const path of made.splice(0)) await r.api.ask('DELETE', path);
      };
      const path = widgetsIn(ns);
      await configure('Mutating', 'b', [hook('second', '/second', {})]);
      const configured = await configure('Mutating', 'a', [
        hook('first', '/first', {}, { reinvocationPolicy: 'IfNeeded' }),
      ]);
      r.note('defaults of a configuration', {
        ...configured.webhooks[0],
        clientConfig: undefined,
        namespaceSelector: undefined,
      });
      await until(async () => (await dry({})).body.metadata?.annotations?.order === '121');
      await r.step(
        'in the order of names, and again when needed',
        'POST',
        path,
        { body: widget('a', {}) },
        (body: Body) => [body.metadata.annotations, body.spec, body.metadata.managedFields],
      );
      await r.step(
        'validation comes after mutation',
        'POST',
        path,
        { body: widget('b', { size: 'huge', replicas: -1 }) },
        (body: Body) => body.details.causes.map(({ field }: Body) => field).sort(),
      );
      const last = hooks.seen.findLast(({ request }) => request.name === 'a' && !request.dryRun)?.request;
      r.note('what a webhook is sent', {
        ...last,
        object: Object.keys(last.object).sort(),
        uid: undefined,
        userInfo: undefined,
        namespace: undefined,
      });
      await forget();
      await until(async () => (await dry({ size: 'small' })).body.metadata?.annotations === undefined);
      await configure('Validating', 'v', [
        hook('allow', '/allow', {}),
        hook('deny', '/deny', {}, { objectSelector: { matchLabels: { deny: 'yes' } } }),
        hook('silent', '/silent', {}, { objectSelector: { matchLabels: { deny: 'silently' } } }),
      ]);
      await until(async () => (await dry({ size: 'small' })).warnings.length > 0);
      await r.step('allowed, with a warning', 'POST', path, { body: widget('c', { size: 'small' }) }, reason);
      await r.step(
        'denied',
        'POST',
        path,
        { body: widget('d', { size: 'small' }, { labels: { deny: 'yes' } }) },
        message,
      );
      await r.step(
        'denied without words',
        'POST',
        path,
        { body: widget('d', { size: 'small' }, { labels: { deny: 'silently' } }) },
        message,
      );
      await forget();
      await until(async () => (await dry({ size: 'small' })).warnings.length === 0);
      await configure('Validating', 's', [hook('scale', '/allow', { resources: ['widgets/scale'] })]);
      await until(
        async () =>
          (await r.api.ask('PATCH', `${path}/c/scale?dryRun=All`, patch(mergeType, { spec: { replicas: 2 } }))).warnings
            .length > 0,
      );
      await r.step(
        'scale is judged as a Scale',
        'PATCH',
        `${path}/c/scale`,
        patch(mergeType, { spec: { replicas: 2 } }),
        (body: Body) => body.spec,
      );
      const scaled = hooks.seen.at(-1)?.request;
      r.note('the review of a scale', {
        kind: scaled.kind,
        resource: scaled.resource,
        part: scaled.subResource,
        spec: [scaled.oldObject.spec, scaled.object.spec],
      });
      await forget();
      const dead = { ...hook('dead', '/none', {}), timeoutSeconds: 2 };
      await configure('Validating', 'f', [dead]);
      await until(async () => (await dry({ size: 'small' })).status === 500);
      await r.step('a webhook that fails', 'POST', path, { body: widget('e', { size: 'small' }) }, (body: Body) => [
        body.code,
        body.reason,
        /^Internal error occurred: failed calling webhook "dead\.lab\.tandem\.dev": failed to call webhook: Post "/.test(
          body.message,
        ),
      ]);
      await forget();
      await until(async () => (await dry({ size: 'small' })).status === 201);
      await configure('Validating', 'i', [{ ...dead, failurePolicy: 'Ignore' }, hook('after', '/allow', {})]);
      await until(async () => (await dry({ size: 'small' })).warnings.length > 0);
      await r.step('one that may fail', 'POST', path, { body: widget('e', { size: 'small' }) }, reason);
      await forget();
      await using other = await startWebhookServer({});
      await configure('Validating', 't', [
        {
          ...hook('distrusted', '/allow', {}),
          clientConfig: { url: `https://127.0.0.1:${hooks.port}/allow`, caBundle: other.caBundle },
        },
      ]);
      await until(async () => (await dry({ size: 'small' })).status === 500);
      await r.step('one that is not trusted', 'POST', path, { body: widget('f', { size: 'small' }) }, reason);
      await forget();
      await until(async () => (await dry({ size: 'small' })).status === 201);
      await configure('Mutating', 'p', [
        hook('binding', '/binding', { apiGroups: [''], operations: ['CREATE'], resources: ['pods/binding'] }),
      ]);
      await r.api.ask('POST', podsIn(ns), { body: pod('bound') });
      const bind = (query: string) =>
        r.api.ask('POST', `${podsIn(ns)}/bound/binding${query}`, {
          body: {
            apiVersion: 'v1',
            kind: 'Binding',
            metadata: { name: 'bound' },
            target: { kind: 'Node', name: 'n1' },
          },
        });
      const before = hooks.seen.length;
      await until(async () => {
        await bind('?dryRun=All');
        return hooks.seen.length > before;
      });
      await bind('');
      await r.step('labels of a binding reach the pod', 'GET', `${podsIn(ns)}/bound`, {}, (body: Body) => [
        body.spec.nodeName,
        body.metadata.labels,
      ]);
      const bound = hooks.seen.at(-1)?.request;
      r.note('the review of a binding', {
        ...bound,
        object: { ...bound.object, metadata: { ...bound.object.metadata, namespace: undefined } },
        options: undefined,
        uid: undefined,
        userInfo: undefined,
        namespace: undefined,
      });
      await forget();
      await r.step(
        'a configuration without a name',
        'POST',
        `${admission}/validatingwebhookconfigurations`,
        {
          body: {
            metadata: { name: 'bad' },
            webhooks: [{ name: 'short', clientConfig: {}, admissionReviewVersions: [] }],
          },
        },
        (body: Body) => body.details?.causes?.map(({ field }: Body) => field).sort(),
      );
    },
  },
  {
    name: 'discovery and tables',
    async run(r, ns) {
      await defineWidgets(r);
      const entry = (name: string) => (body: Body) =>
        body.resources
          .filter((resource: Body) => resource.name === name || resource.name.startsWith(`${name}/st`))
          .map(({ storageVersionHash: _hash, ...rest }: Body) => ({ ...rest, verbs: [...rest.verbs].sort() }));
      await r.step('core', 'GET', '/api/v1', {}, entry('pods'));
      await r.step('a custom group', 'GET', `/apis/${group}`);
      await r.step('a custom version', 'GET', `/apis/${group}/v1`, {}, entry('widgets'));
      await r.step(
        'aggregated',
        'GET',
        '/apis',
        { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' },
        (body: Body) =>
          body.items
            .find(({ metadata }: Body) => metadata.name === group)
            ?.versions[0].resources.map((resource: Body) => ({ ...resource, verbs: [...resource.verbs].sort() })),
      );
      await r.api.ask('POST', podsIn(ns), { body: pod('p') });
      const table = { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' };
      const rows = (body: Body) => ({
        columns: body.columnDefinitions.map(({ name, type, format, priority }: Body) => [name, type, format, priority]),
        cells: body.rows.map(({ cells }: Body) =>
          cells.map((cell: unknown) => (/^\d+s$/.test(String(cell)) ? '<age>' : cell)),
        ),
        object: body.rows[0]?.object?.kind,
      });
      await r.step('pods', 'GET', podsIn(ns), table, rows);
      await r.step('one pod', 'GET', `${podsIn(ns)}/p`, table, rows);
      await r.step('namespaces', 'GET', `/api/v1/namespaces/${ns}`, table, rows);
      await r.step(
        'who am I allowed',
        'POST',
        '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        { body: { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } } },
        (body: Body) => body.status.allowed,
      );
      await r.step('health', 'GET', '/readyz', {});
    },
  },
];

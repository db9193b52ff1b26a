/** Pods: their defaults, what is refused of them, their binding and their deletion with grace. */
import type { Scenario } from '../transcript.js';
import {
  type Body,
  mergeType,
  message,
  patch,
  pod,
  podsIn,
  reason,
  strategicType,
  withoutManagers,
} from './support.js';

export const podDefaults: Scenario = {
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
};

export const podValidation: Scenario = {
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
      ['a probe without a handler', { containers: [{ name: 'c', image: 'x', readinessProbe: { periodSeconds: 1 } }] }],
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
};

export const podBinding: Scenario = {
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
    await r.step('is only marked', 'DELETE', `${pods}/f`, {}, (body: Body) => body.metadata.deletionGracePeriodSeconds);
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
};

/** Server-side apply, of built-in kinds and of custom resources. */
import type { Scenario } from '../transcript.js';
import {
  applyType,
  type Body,
  configMap,
  mapsIn,
  mergeType,
  message,
  patch,
  pod,
  podsIn,
  reason,
  strategicType,
} from './support.js';
import { defineWidgets, widget, widgetsIn } from './widgets.js';

export const apply: Scenario = {
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
    await r.step('another image', 'PATCH', ...applyPod('two', { containers: [{ name: 'c', image: 'x:2' }] }), message);
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
            containers: [{ name: 'c', image: 'x', ports: [{ containerPort: 80 }], resources: { limits: { cpu: 1 } } }],
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
};

export const applyCustomResources: Scenario = {
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
};

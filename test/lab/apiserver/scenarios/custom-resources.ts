/** Objects of a definition: defaults, pruning, validation, status and scale. */
import type { Scenario } from '../transcript.js';
import {
  type Body,
  causes,
  group,
  mergeType,
  message,
  patch,
  reason,
  strategicType,
  withoutManagers,
} from './support.js';
import { defineWidgets, widget, widgetsIn } from './widgets.js';

export const customResources: Scenario = {
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
};

export const statusAndScale: Scenario = {
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
    await r.step('a wrong status', 'PATCH', `${path}/status`, patch(mergeType, { status: { replicas: 'x' } }), message);
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
};

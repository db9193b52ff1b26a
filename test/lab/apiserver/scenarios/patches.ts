/** JSON, merge and strategic patches. */
import type { Scenario } from '../transcript.js';
import {
  type Body,
  configMap,
  jsonType,
  mapsIn,
  mergeType,
  message,
  patch,
  pod,
  podsIn,
  reason,
  strategicType,
} from './support.js';

export const patches: Scenario = {
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
};

/** Discovery, tables, access reviews and health. */
import type { Scenario } from '../transcript.js';
import { type Body, group, pod, podsIn } from './support.js';
import { defineWidgets } from './widgets.js';

export const discovery: Scenario = {
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
};

/** Lists with selectors and pages, and watches. */
import type { Scenario } from '../transcript.js';
import { type Body, configMap, mapsIn, mergeType, message, patch, podsIn, withoutManagers } from './support.js';

export const lists: Scenario = {
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
};

export const watches: Scenario = {
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
};

/** What goes with its owner or its namespace. */
import type { Scenario } from '../transcript.js';
import { type Body, configMap, mapsIn, mergeType, message, patch, reason, withoutManagers } from './support.js';

export const owners: Scenario = {
  name: 'owners and their dependents',
  async run(r, ns) {
    const maps = mapsIn(ns);
    const owner = async (name: string) => (await r.api.ask('POST', maps, { body: configMap(name, {}) })).body.metadata;
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
};

export const namespaces: Scenario = {
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
};

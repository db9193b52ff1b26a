/** Objects of a built-in kind, and requests that are refused whatever they are about. */
import type { Scenario } from '../transcript.js';
import { type Body, configMap, mapsIn, message, pod, podsIn, reason, withoutManagers } from './support.js';

export const objects: Scenario = {
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
    await r.step('replace with the old version', 'PUT', `${maps}/a`, { body: { ...held, data: { k: 'x' } } }, message);
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
};

export const badRequests: Scenario = {
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
};

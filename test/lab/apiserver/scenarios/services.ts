/** Services and secrets: what the server fills in and what it refuses. */
import type { Scenario } from '../transcript.js';
import { type Body, mergeType, message, patch, withoutManagers } from './support.js';

export const servicesAndSecrets: Scenario = {
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
};

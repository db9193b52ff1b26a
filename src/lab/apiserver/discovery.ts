/** Which kinds are served: the legacy documents, and the aggregated one that current clients ask for first. */
import type { Registry } from './registry.js';
import { groupVersionOf, type ResourceType } from './resource-type.js';

const aggregated = /^application\/json;g=apidiscovery\.k8s\.io;v=(v2|v2beta1);as=APIGroupDiscoveryList$/;

/** The discovery document at a path; undefined when there is none. */
export function discoveryDocument(registry: Registry, path: string, accept: string): Document | undefined {
  const [root, ...parts] = path.split('/').filter((part) => part !== '');
  if (root === 'api') return coreDocument(registry, parts, accept);
  return root === 'apis' ? groupDocument(registry, parts, accept) : undefined;
}

function coreDocument(registry: Registry, [version, ...rest]: readonly string[], accept: string): Document | undefined {
  if (rest.length > 0) return undefined;
  if (version !== undefined) return resourceList(registry, '', version);
  const form = aggregatedVersion(accept);
  return form === undefined ? plain(apiVersions()) : aggregate(registry, form, (group) => group === '');
}

function groupDocument(registry: Registry, parts: readonly string[], accept: string): Document | undefined {
  const [group, version, ...rest] = parts;
  if (rest.length > 0) return undefined;
  if (group !== undefined && version !== undefined) return resourceList(registry, group, version);
  if (group !== undefined) return maybe(groupList(registry).groups.find(({ name }) => name === group));
  const form = aggregatedVersion(accept);
  return form === undefined ? plain(groupList(registry)) : aggregate(registry, form, (name) => name !== '');
}

export interface Document {
  readonly body: unknown;
  readonly contentType: string;
}

const plain = (body: unknown): Document => ({ body, contentType: 'application/json' });

const maybe = (group: object | undefined): Document | undefined =>
  group === undefined ? undefined : plain({ kind: 'APIGroup', apiVersion: 'v1', ...group });

function aggregatedVersion(accept: string): string | undefined {
  for (const clause of accept.split(',')) {
    const match = aggregated.exec(clause.replace(/\s+/g, ''));
    if (match) return match[1];
  }
  return undefined;
}

const apiVersions = () => ({
  kind: 'APIVersions',
  versions: ['v1'],
  serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: '' }],
});

function groupList(registry: Registry) {
  const groups = [...registry.groups()]
    .filter(([group]) => group !== '')
    .map(([name, versions]) => {
      const entries = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
      return { name, versions: entries, preferredVersion: entries[0] };
    });
  return { kind: 'APIGroupList', apiVersion: 'v1', groups };
}

function resourceList(registry: Registry, group: string, version: string): Document | undefined {
  const types = registry.in({ group, version });
  if (types.length === 0) return undefined;
  return plain({
    kind: 'APIResourceList',
    ...(group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: groupVersionOf({ group, version }),
    resources: types.flatMap(legacyEntries),
  });
}

function legacyEntries(type: ResourceType) {
  const { plural, singular, namespaced, kind, verbs, shortNames, categories } = type;
  return [
    {
      name: plural,
      singularName: singular,
      namespaced,
      kind,
      verbs,
      ...(shortNames.length > 0 && { shortNames }),
      ...(categories.length > 0 && { categories }),
    },
    ...type.subresources.map((sub) => ({
      name: `${plural}/${sub.name}`,
      singularName: '',
      namespaced,
      ...(sub.group === undefined ? {} : { group: sub.group, version: sub.version }),
      kind: sub.kind,
      verbs: sub.verbs,
    })),
  ];
}

function aggregate(registry: Registry, version: string, wanted: (group: string) => boolean): Document {
  const items = [...registry.groups()]
    .filter(([group]) => wanted(group))
    .map(([group, versions]) => ({
      metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
      versions: versions.map((name) => ({
        version: name,
        resources: registry.in({ group, version: name }).map(aggregatedEntry),
        freshness: 'Current',
      })),
    }));
  return {
    body: { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items },
    contentType: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
  };
}

function aggregatedEntry(type: ResourceType) {
  const { group, version, plural, singular, namespaced, kind, verbs, shortNames, categories } = type;
  const subresources = type.subresources.map((sub) => ({
    subresource: sub.name,
    responseKind: { group: sub.group ?? group, version: sub.version ?? version, kind: sub.kind },
    verbs: sub.verbs,
  }));
  return {
    resource: plural,
    responseKind: { group, version, kind },
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs,
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(subresources.length > 0 && { subresources }),
  };
}

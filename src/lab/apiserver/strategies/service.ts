/** Services: ports and the family of addresses; cluster addresses come from a small range and are never routed in the lab. */
import { duplicate, type FieldError, invalid, notSupported, required } from '../field-error.js';
import { type Dict, dictOf, isDict, listOf, numberOf, type Obj, same, textOf } from '../object.js';
import type { Strategy } from '../resource-type.js';
import { child, each, fill } from './defaulting.js';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

export const serviceStrategy: Strategy = {
  allowUnconditionalUpdate: true,
  nameIsLabel: true,
  defaults(service) {
    const spec = child(service, 'spec');
    fill(spec, { type: 'ClusterIP', sessionAffinity: 'None' });
    each(spec['ports'], (port) => {
      fill(port, { protocol: 'TCP' });
      // An absent or zero target means the same port.
      if (port['targetPort'] === undefined || port['targetPort'] === 0) port['targetPort'] = port['port'];
    });
    if (spec['type'] !== 'ExternalName') {
      fill(spec, { internalTrafficPolicy: 'Cluster', ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] });
    }
  },
  prepareCreate(service) {
    service['status'] = { loadBalancer: {} };
    const spec = child(service, 'spec');
    if (spec['type'] === 'ExternalName') return;
    if (textOf(spec['clusterIP']) === '') spec['clusterIP'] = clusterAddress(service.metadata.uid);
    fill(spec, { clusterIPs: [spec['clusterIP']] });
  },
  prepareUpdate(service, old) {
    const [spec, before] = [child(service, 'spec'), dictOf(old['spec'])];
    if (textOf(spec['clusterIP']) === '') fill(spec, { clusterIPs: before['clusterIPs'] });
    if (textOf(spec['clusterIP']) === '' && before['clusterIP'] !== undefined) spec['clusterIP'] = before['clusterIP'];
  },
  validate: (service, old) => [...serviceErrors(service, old)],
  fields: (service) => ({
    'spec.clusterIP': textOf(dictOf(service['spec'])['clusterIP']),
    'spec.type': textOf(dictOf(service['spec'])['type']),
  }),
};

/** An address of 10.96.0.0/16 that follows from the uid: unique enough where nothing is routed. */
function clusterAddress(uid: string): string {
  const bits = Number.parseInt(uid.replaceAll('-', '').slice(0, 8) || '1', 16) % (1 << 16);
  return `10.96.${bits >> 8}.${bits & 255 || 1}`;
}

function* serviceErrors(service: Obj, old: Obj | undefined): Generator<FieldError> {
  const spec = dictOf(service['spec']);
  const type = textOf(spec['type']);
  const isExternal = type === 'ExternalName';
  if (!types.includes(type)) yield notSupported('spec.type', type, types);
  const ports = listOf(spec['ports']).filter(isDict);
  if (ports.length === 0 && !isExternal && spec['clusterIP'] !== 'None') yield required('spec.ports');
  if (isExternal && textOf(spec['externalName']) === '') yield required('spec.externalName');
  yield* portErrors(ports);
  const before = dictOf(old?.['spec'])['clusterIP'];
  if (before !== undefined && !same(before, spec['clusterIP'])) {
    yield invalid('spec.clusterIPs[0]', [spec['clusterIP']], 'may not change once set');
  }
}

function* portErrors(ports: readonly Dict[]): Generator<FieldError> {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`;
    const name = textOf(port['name']);
    if (name === '' && ports.length > 1) yield required(`${at}.name`);
    if (name !== '' && names.has(name)) yield duplicate(`${at}.name`, name);
    names.add(name);
    const number = numberOf(port['port']) ?? 0;
    if (number < 1 || number > 65535) yield invalid(`${at}.port`, number, 'must be between 1 and 65535, inclusive');
  }
}

/** Columns of the built-in kinds other than pods: `pkg/printers/internalversion/printers.go`. */
import { at, dictOf, isDict, listOf, numberOf, type Obj, textOf } from '../object.js';
import { eventViews } from '../strategies/event.js';
import { age } from './duration.js';
import { podPrinter } from './pod.js';
import { ageColumn, integer, nameColumn, type Printer, text } from './printer.js';

const created = (object: Obj, now: number): string => age(object.metadata.creationTimestamp, now);
const size = (value: unknown): number => (Array.isArray(value) ? value.length : Object.keys(dictOf(value)).length);

const nodePrinter: Printer = {
  columns: [
    nameColumn,
    text('Status'),
    text('Roles'),
    ageColumn,
    text('Version'),
    text('Internal-IP', 1),
    text('External-IP', 1),
    text('OS-Image', 1),
    text('Kernel-Version', 1),
    text('Container-Runtime', 1),
  ],
  cells(node, now) {
    const facts = dictOf(at(node, 'status', 'nodeInfo'));
    const address = (type: string) =>
      textOf(
        listOf(at(node, 'status', 'addresses'))
          .filter(isDict)
          .find((entry) => entry['type'] === type)?.['address'],
      ) || '<none>';
    const architecture = textOf(facts['architecture']);
    return [
      node.metadata.name,
      nodeStatus(node),
      nodeRoles(node),
      created(node, now),
      textOf(facts['kubeletVersion']),
      address('InternalIP'),
      address('ExternalIP'),
      textOf(facts['osImage']) || '<unknown>',
      `${textOf(facts['kernelVersion']) || '<unknown>'}${architecture === '' ? '' : ` (${architecture})`}`,
      textOf(facts['containerRuntimeVersion']) || '<unknown>',
    ];
  },
};

function nodeStatus(node: Obj): string {
  const ready = listOf(at(node, 'status', 'conditions'))
    .filter(isDict)
    .find(({ type }) => type === 'Ready');
  const words = [ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady'];
  if (at(node, 'spec', 'unschedulable') === true) words.push('SchedulingDisabled');
  return words.join(',');
}

function nodeRoles(node: Obj): string {
  const prefix = 'node-role.kubernetes.io/';
  const roles = Object.entries(node.metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(prefix) && key.length > prefix.length) return [key.slice(prefix.length)];
    return key === 'kubernetes.io/role' && value !== '' ? [value] : [];
  });
  return roles.length === 0 ? '<none>' : roles.sort().join(',');
}

const servicePrinter: Printer = {
  columns: [
    nameColumn,
    text('Type'),
    text('Cluster-IP'),
    text('External-IP'),
    text('Port(s)'),
    ageColumn,
    text('Selector', 1),
  ],
  cells(service, now) {
    const spec = dictOf(service['spec']);
    const ports = listOf(spec['ports'])
      .filter(isDict)
      .map((port) => {
        const nodePort = numberOf(port['nodePort']) ?? 0;
        return `${String(port['port'])}${nodePort === 0 ? '' : `:${nodePort}`}/${textOf(port['protocol'])}`;
      });
    const external = [
      ...listOf(spec['externalIPs']),
      ...(spec['type'] === 'ExternalName' ? [spec['externalName']] : []),
      ...(spec['type'] === 'LoadBalancer' ? ingressOf(service) : []),
    ];
    return [
      service.metadata.name,
      textOf(spec['type']),
      textOf(spec['clusterIP']) || '<none>',
      external.join(',') || '<none>',
      ports.join(',') || '<none>',
      created(service, now),
      Object.entries(dictOf(spec['selector']))
        .sort()
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(',') || '<none>',
    ];
  },
};

const eventPrinter: Printer = {
  columns: [
    text('Last Seen'),
    text('Type'),
    text('Reason'),
    text('Object'),
    text('Subobject', 1),
    text('Source', 1),
    text('Message'),
    text('First Seen', 1),
    text('Count', 1),
    { ...nameColumn, priority: 1 },
  ],
  cells(shown, now) {
    // Both APIs of events print the same columns.
    const event = shown.apiVersion === 'v1' ? shown : (eventViews.toStored?.(shown) ?? shown);
    const first = event['firstTimestamp'] ?? event['eventTime'];
    const last = at(event, 'series', 'lastObservedTime') ?? event['lastTimestamp'] ?? first;
    return [
      age(last, now),
      textOf(event['type']),
      textOf(event['reason']),
      eventTarget(event),
      textOf(at(event, 'involvedObject', 'fieldPath')),
      eventSource(event),
      textOf(event['message']).trim(),
      age(first, now),
      at(event, 'series', 'count') ?? event['count'] ?? 1,
      event.metadata.name,
    ];
  },
};

function eventTarget(event: Obj): string {
  const { kind, name } = dictOf(event['involvedObject']);
  const what = textOf(kind).toLowerCase();
  return textOf(name) === '' ? what : `${what}/${textOf(name)}`;
}

function eventSource(event: Obj): string {
  const source = dictOf(event['source']);
  const component = textOf(source['component']) || textOf(event['reportingComponent']);
  const host = textOf(source['host']) || textOf(event['reportingInstance']);
  return host === '' ? component : `${component}, ${host}`;
}

const endpointsPrinter: Printer = {
  columns: [nameColumn, text('Endpoints'), ageColumn],
  cells(endpoints, now) {
    const pairs = listOf(endpoints['subsets'])
      .filter(isDict)
      .flatMap((subset) =>
        listOf(subset['addresses'])
          .filter(isDict)
          .flatMap(({ ip }) =>
            listOf(subset['ports'])
              .filter(isDict)
              .map(({ port }) => `${String(ip)}:${String(port)}`),
          ),
      );
    const shown = pairs.slice(0, 3).join(',') + (pairs.length > 3 ? ` + ${pairs.length - 3} more...` : '');
    return [endpoints.metadata.name, shown || '<none>', created(endpoints, now)];
  },
};

const controllerRevisionPrinter: Printer = {
  columns: [nameColumn, text('Controller'), text('Revision'), ageColumn],
  cells(revision, now) {
    const owner = (revision.metadata.ownerReferences ?? []).find(({ controller }) => controller === true);
    const group = owner?.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
    const controller = owner === undefined ? '<none>' : `${owner.kind.toLowerCase()}${group}/${owner.name}`;
    return [revision.metadata.name, controller, numberOf(revision['revision']) ?? 0, created(revision, now)];
  },
};

const counted = (column: ReturnType<typeof text>, count: (object: Obj) => unknown): Printer => ({
  columns: [nameColumn, column, ageColumn],
  cells: (object, now) => [object.metadata.name, count(object), created(object, now)],
});

const secretPrinter: Printer = {
  columns: [nameColumn, text('Type'), text('Data'), ageColumn],
  cells: (secret, now) => [secret.metadata.name, textOf(secret['type']), size(secret['data']), created(secret, now)],
};

const disruptionPrinter: Printer = {
  columns: [nameColumn, text('Min Available'), text('Max Unavailable'), integer('Allowed Disruptions'), ageColumn],
  cells(budget, now) {
    const spec = dictOf(budget['spec']);
    return [
      budget.metadata.name,
      String(spec['minAvailable'] ?? 'N/A'),
      String(spec['maxUnavailable'] ?? 'N/A'),
      numberOf(at(budget, 'status', 'disruptionsAllowed')) ?? 0,
      created(budget, now),
    ];
  },
};

const definitionPrinter: Printer = {
  columns: [nameColumn, { name: 'Created At', type: 'date' }],
  cells: (definition) => [definition.metadata.name, definition.metadata.creationTimestamp],
};

/** What a kind without columns of its own shows. */
export const plainPrinter: Printer = {
  columns: [nameColumn, ageColumn],
  cells: (object, now) => [object.metadata.name, created(object, now)],
};

const webhooks = counted(integer('Webhooks'), (configuration) => size(configuration['webhooks']));

export const builtinPrinters: Readonly<Record<string, Printer>> = {
  Pod: podPrinter,
  Node: nodePrinter,
  Service: servicePrinter,
  Event: eventPrinter,
  Endpoints: endpointsPrinter,
  ControllerRevision: controllerRevisionPrinter,
  Secret: secretPrinter,
  PodDisruptionBudget: disruptionPrinter,
  CustomResourceDefinition: definitionPrinter,
  Namespace: counted(text('Status'), (namespace) => textOf(at(namespace, 'status', 'phase'))),
  ConfigMap: counted(text('Data'), (map) => size(map['data']) + size(map['binaryData'])),
  Lease: counted(text('Holder'), (lease) => textOf(at(lease, 'spec', 'holderIdentity'))),
  MutatingWebhookConfiguration: webhooks,
  ValidatingWebhookConfiguration: webhooks,
};

/** Addresses that a load balancer has given to a Service. */
function ingressOf(service: Obj): unknown[] {
  const ingress = listOf(dictOf(dictOf(service['status'])['loadBalancer'])['ingress']);
  return ingress.filter(isDict).map(({ ip, hostname }) => ip ?? hostname);
}

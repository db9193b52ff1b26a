/** Validation of a pod: `pkg/apis/core/validation/validation.go`, for the fields that serving pods use. */
import { parseQuantity } from '../../../base/quantity.js';
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '../field-error.js';
import { type Dict, dictOf, isDict, listOf, numberOf, type Obj, textOf } from '../object.js';
import { dnsLabel, dnsSubdomain, labelsOf, qualifiedName } from './names.js';
import { probeErrors } from './probe-validation.js';

export function podErrors(pod: Obj): FieldError[] {
  return [...podSpecErrors(dictOf(pod['spec']), 'spec')];
}

function* podSpecErrors(spec: Dict, at: string): Generator<FieldError> {
  const volumes = listOf(spec['volumes']).filter(isDict);
  yield* volumeErrors(volumes, `${at}.volumes`);
  const containers = listOf(spec['containers']).filter(isDict);
  if (containers.length === 0) yield required(`${at}.containers`);
  const names = new Set<string>();
  const known = new Set(volumes.map((volume) => textOf(volume['name'])));
  for (const member of ['containers', 'initContainers']) {
    for (const [index, container] of listOf(spec[member]).filter(isDict).entries()) {
      const field = `${at}.${member}[${index}]`;
      yield* containerErrors(container, field, known);
      const name = textOf(container['name']);
      if (name !== '' && names.has(name)) yield duplicate(`${field}.name`, name);
      names.add(name);
    }
  }
  yield* choice(spec, 'restartPolicy', ['Always', 'OnFailure', 'Never'], at);
  yield* choice(spec, 'dnsPolicy', ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'], at);
  yield* spread(spec, at);
}

function* spread(spec: Dict, at: string): Generator<FieldError> {
  yield* labelsOf(spec['nodeSelector'], `${at}.nodeSelector`);
  if (textOf(spec['nodeName']) !== '') {
    yield* dnsSubdomain(textOf(spec['nodeName']), `${at}.nodeName`);
    if (listOf(spec['schedulingGates']).length > 0) {
      yield forbidden(`${at}.nodeName`, 'cannot be set until all schedulingGates have been cleared');
    }
  }
  if (textOf(spec['hostname']) !== '') yield* dnsLabel(textOf(spec['hostname']), `${at}.hostname`);
  if (textOf(spec['subdomain']) !== '') yield* dnsLabel(textOf(spec['subdomain']), `${at}.subdomain`);
  for (const [index, toleration] of listOf(spec['tolerations']).filter(isDict).entries()) {
    yield* tolerationErrors(toleration, `${at}.tolerations[${index}]`);
  }
  const gates = new Set<string>();
  for (const [index, gate] of listOf(spec['schedulingGates']).filter(isDict).entries()) {
    const name = textOf(gate['name']);
    yield* qualifiedName(name, `${at}.schedulingGates[${index}].name`);
    if (gates.has(name)) yield duplicate(`${at}.schedulingGates[${index}]`, name);
    gates.add(name);
  }
}

function* tolerationErrors(toleration: Dict, at: string): Generator<FieldError> {
  const operator = textOf(toleration['operator']);
  if (!['', 'Equal', 'Exists', 'Lt', 'Gt'].includes(operator)) {
    yield notSupported(`${at}.operator`, operator, ['Equal', 'Exists']);
  }
  if (operator === 'Exists' && textOf(toleration['value']) !== '') {
    yield invalid(`${at}.operator`, toleration['value'], "value must be empty when `operator` is 'Exists'");
  }
  if (textOf(toleration['key']) === '' && operator !== 'Exists') {
    yield invalid(
      `${at}.operator`,
      operator,
      'operator must be Exists when `key` is empty, which means "match all values and all keys"',
    );
  }
  const effect = textOf(toleration['effect']);
  if (!['', 'NoSchedule', 'PreferNoSchedule', 'NoExecute'].includes(effect)) {
    yield notSupported(`${at}.effect`, effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']);
  }
}

function* choice(target: Dict, member: string, supported: readonly string[], at: string): Generator<FieldError> {
  const value = textOf(target[member]);
  if (value === '') yield required(`${at}.${member}`);
  else if (!supported.includes(value)) yield notSupported(`${at}.${member}`, value, supported);
}

function* volumeErrors(volumes: readonly Dict[], at: string): Generator<FieldError> {
  const seen = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const field = `${at}[${index}]`;
    const name = textOf(volume['name']);
    if (name === '') yield required(`${field}.name`);
    else yield* dnsLabel(name, `${field}.name`);
    if (name !== '' && seen.has(name)) yield duplicate(`${field}.name`, name);
    seen.add(name);
    const sources = Object.keys(volume).filter((key) => key !== 'name');
    for (const extra of sources.slice(1))
      yield forbidden(`${field}.${extra}`, 'may not specify more than 1 volume type');
    const hostPath = volume['hostPath'];
    if (isDict(hostPath) && textOf(hostPath['path']) === '') yield required(`${field}.hostPath.path`);
  }
}

function* containerErrors(container: Dict, at: string, volumes: ReadonlySet<string>): Generator<FieldError> {
  const name = textOf(container['name']);
  if (name === '') yield required(`${at}.name`);
  else yield* dnsLabel(name, `${at}.name`);
  if (textOf(container['image']) === '') yield required(`${at}.image`);
  yield* portErrors(listOf(container['ports']).filter(isDict), `${at}.ports`);
  for (const [index, variable] of listOf(container['env']).filter(isDict).entries()) {
    yield* envErrors(variable, `${at}.env[${index}]`);
  }
  yield* mountErrors(listOf(container['volumeMounts']).filter(isDict), `${at}.volumeMounts`, volumes);
  yield* probeErrors(container, at);
  yield* resourceErrors(dictOf(container['resources']), `${at}.resources`);
  yield* choice(container, 'imagePullPolicy', ['Always', 'IfNotPresent', 'Never'], at);
}

function* portErrors(ports: readonly Dict[], at: string): Generator<FieldError> {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const number = numberOf(port['containerPort']);
    if (number === undefined || number === 0) yield required(`${at}[${index}].containerPort`);
    else if (number < 1 || number > 65535) {
      yield invalid(`${at}[${index}].containerPort`, number, 'must be between 1 and 65535, inclusive');
    }
    const name = textOf(port['name']);
    if (name !== '' && names.has(name)) yield duplicate(`${at}[${index}].name`, name);
    if (name.length > 15) yield invalid(`${at}[${index}].name`, name, 'must be no more than 15 characters');
    names.add(name);
    yield* choice(port, 'protocol', ['SCTP', 'TCP', 'UDP'], `${at}[${index}]`);
  }
}

function* envErrors(variable: Dict, at: string): Generator<FieldError> {
  const name = textOf(variable['name']);
  if (name === '') yield required(`${at}.name`);
  else if (/[=\0]/.test(name)) {
    yield invalid(
      `${at}.name`,
      name,
      "a valid environment variable name must consist only of printable ASCII characters other than '='",
    );
  }
  const from = variable['valueFrom'];
  if (!isDict(from)) return;
  const sources = Object.keys(from);
  if (textOf(variable['value']) !== '')
    yield invalid(`${at}.valueFrom`, '', 'may not be specified when `value` is not empty');
  if (sources.length === 0) {
    yield invalid(
      `${at}.valueFrom`,
      '',
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    );
  }
  const reference = from['fieldRef'];
  if (isDict(reference)) yield* fieldRefErrors(textOf(reference['fieldPath']), `${at}.valueFrom.fieldRef.fieldPath`);
}

const fieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

function* fieldRefErrors(path: string, at: string): Generator<FieldError> {
  if (path === '') yield required(at);
  else if (!fieldPaths.includes(path) && !/^metadata\.(labels|annotations)\['[^']+'\]$/.test(path)) {
    yield invalid(at, path, `error converting fieldPath: field label not supported: ${path}`);
  }
}

function* mountErrors(mounts: readonly Dict[], at: string, volumes: ReadonlySet<string>): Generator<FieldError> {
  const paths = new Set<string>();
  for (const [index, mount] of mounts.entries()) {
    const name = textOf(mount['name']);
    const path = textOf(mount['mountPath']);
    if (name === '') yield required(`${at}[${index}].name`);
    else if (!volumes.has(name)) {
      yield { reason: 'FieldValueNotFound', field: `${at}[${index}].name`, body: `Not found: ${JSON.stringify(name)}` };
    }
    if (path === '') yield required(`${at}[${index}].mountPath`);
    else if (paths.has(path)) yield invalid(`${at}[${index}].mountPath`, path, 'must be unique');
    paths.add(path);
  }
}

const native = /^(cpu|memory|ephemeral-storage|hugepages-.+)$/;

function* resourceErrors(resources: Dict, at: string): Generator<FieldError> {
  const limits = dictOf(resources['limits']);
  const requests = dictOf(resources['requests']);
  for (const [resource, amount] of Object.entries(limits)) yield* amountErrors(resource, amount, `${at}.limits`);
  for (const [resource, amount] of Object.entries(requests)) {
    yield* amountErrors(resource, amount, `${at}.requests`);
    yield* requestErrors(resource, String(amount), limits[resource], at);
  }
}

/** Devices cannot be overcommitted: their request is their limit. */
function* requestErrors(resource: string, amount: string, limit: unknown, at: string): Generator<FieldError> {
  const isDevice = !native.test(resource);
  if (limit === undefined) {
    if (isDevice) yield required(`${at}.limits`, 'Limit must be set for non overcommitable resources');
    return;
  }
  const [asked, most] = [parseQuantity(amount) ?? 0n, parseQuantity(String(limit)) ?? 0n];
  const of = `${resource} limit of ${String(limit)}`;
  if (isDevice && asked !== most) yield invalid(`${at}.requests`, amount, `must be equal to ${of}`);
  else if (asked > most) yield invalid(`${at}.requests`, amount, `must be less than or equal to ${of}`);
}

function* amountErrors(resource: string, amount: unknown, at: string): Generator<FieldError> {
  const value = parseQuantity(String(amount)) ?? 0n;
  const field = `${at}[${resource}]`;
  if (!native.test(resource) && !resource.includes('/')) {
    yield invalid(field, resource, 'must be a standard resource type or fully qualified');
    yield invalid(field, resource, 'must be a standard resource for containers');
  }
  if (value < 0n) yield invalid(field, String(amount), 'must be greater than or equal to 0');
  if (!native.test(resource) && value % 1_000_000_000n !== 0n)
    yield invalid(field, String(amount), 'must be an integer');
}

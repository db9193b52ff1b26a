/** Validation of probes and lifecycle hooks of a container. */
import { type FieldError, forbidden, invalid, required } from '../field-error.js';
import { type Dict, dictOf, isDict, numberOf, textOf } from '../object.js';

const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'];

export function* probeErrors(container: Dict, at: string): Generator<FieldError> {
  const lifecycle = dictOf(container['lifecycle']);
  for (const name of ['postStart', 'preStop']) {
    const hook = lifecycle[name];
    if (isDict(hook)) yield* handlerErrors(hook, `${at}.lifecycle.${name}`);
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name];
    if (!isDict(probe)) continue;
    yield* handlerErrors(probe, `${at}.${name}`);
    yield* timingErrors(probe, `${at}.${name}`);
    if (name !== 'readinessProbe' && (numberOf(probe['successThreshold']) ?? 1) !== 1) {
      yield invalid(`${at}.${name}.successThreshold`, probe['successThreshold'], 'must be 1');
    }
  }
}

function* timingErrors(probe: Dict, at: string): Generator<FieldError> {
  for (const member of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'failureThreshold']) {
    const value = numberOf(probe[member]) ?? 0;
    if (value < 0) yield invalid(`${at}.${member}`, value, 'must be greater than or equal to 0');
  }
}

function* handlerErrors(target: Dict, at: string): Generator<FieldError> {
  const set = handlers.filter((name) => target[name] !== undefined);
  if (set.length === 0) yield required(at, 'must specify a handler type');
  for (const extra of set.slice(1)) yield forbidden(`${at}.${extra}`, 'may not specify more than 1 handler type');
  const get = target['httpGet'];
  if (isDict(get)) {
    if (textOf(get['path']) === '') yield required(`${at}.httpGet.path`);
    yield* portErrors(get['port'], `${at}.httpGet.port`);
  }
  const exec = target['exec'];
  if (isDict(exec) && !Array.isArray(exec['command'])) yield required(`${at}.exec.command`);
  const socket = target['tcpSocket'];
  if (isDict(socket)) yield* portErrors(socket['port'], `${at}.tcpSocket.port`);
}

function* portErrors(port: unknown, at: string): Generator<FieldError> {
  if (typeof port === 'number' && (port < 1 || port > 65535)) {
    yield invalid(at, port, 'must be between 1 and 65535, inclusive');
  }
  if (port === undefined || port === '') yield required(at);
}

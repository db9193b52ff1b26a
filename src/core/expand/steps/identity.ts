import type { Container } from '../../../api/kube.js';
import { referencesIn } from '../../reading/command-line.js';
import { listAt, textAt, textsAt } from '../../reading/shape.js';
import { containersOf, engineAt, envEntry } from '../subject.js';
import type { Addition, Place, Step, Subject } from '../types.js';

/** Names that people give to what a pod knows about itself. */
const fieldPaths: Readonly<Record<string, string>> = {
  POD_NAME: 'metadata.name',
  NAMESPACE: 'metadata.namespace',
  POD_NAMESPACE: 'metadata.namespace',
  POD_UID: 'metadata.uid',
  POD_IP: 'status.podIP',
  NODE_NAME: 'spec.nodeName',
  NODE_IP: 'status.hostIP',
  HOST_IP: 'status.hostIP',
};
const engineNeeds = ['POD_NAME', 'NAMESPACE', 'POD_IP'];

/**
 * Kubernetes replaces `$(POD_NAME)` only by an entry that stands earlier in the list, and leaves the text as it is
 * otherwise: so these go first, and to every container that mentions them.
 */
export const identity: Step = {
  name: 'identity',
  additions: (subject) => [
    ...everywhere(subject, 'initContainers'),
    ...everywhere(subject, 'containers'),
    ...engineNeeds.map((name) =>
      entry(
        [...engineAt(subject), 'env'],
        name,
        'the engine and its hooks know their pod by it',
        'pd-protocols B.0, C-80',
      ),
    ),
  ],
};

function* everywhere(subject: Subject, field: 'containers' | 'initContainers'): Iterable<Addition> {
  for (const [index, container] of containersOf(subject, field).entries()) {
    for (const name of mentioned(container)) {
      yield entry(
        ['spec', field, index, 'env'],
        name,
        `$(${name}) in this container stays literal text otherwise`,
        'pd-protocols C-19',
      );
    }
  }
}

const entry = (list: Place, name: string, because: string, source: string): Addition => ({
  kind: 'entry',
  list,
  key: 'name',
  first: true,
  value: envEntry({ name, fieldPath: fieldPaths[name] ?? '' }),
  by: 'tandem',
  because,
  source,
});

function mentioned(container: Container): readonly string[] {
  const values = listAt(container, 'env').map((item) => textAt(item, 'value') ?? '');
  const texts = [...textsAt(container, 'command'), ...textsAt(container, 'args'), ...values];
  return [...new Set(texts.flatMap(referencesIn))].filter((name) => Object.hasOwn(fieldPaths, name)).sort();
}

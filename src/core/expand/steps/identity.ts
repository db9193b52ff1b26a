import type { Container } from '../../../api/kube.js';
import { levels, topologyLabel } from '../../../api/names.js';
import { referencesIn } from '../../reading/command-line.js';
import { listAt, textAt, textsAt } from '../../reading/shape.js';
import { containersOf, engineAt, envEntry } from '../subject.js';
import type { Addition, Place, Step, Subject } from '../types.js';

/** Where a pod lies at each level: a label that is put on it when it is bound, before any container starts. */
const topology = Object.fromEntries(
  levels.map((level) => [`TOPOLOGY_${level.toUpperCase()}`, `metadata.labels['${topologyLabel(level)}']`]),
);

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
  ...topology,
};
const engineNeeds = ['POD_NAME', 'NAMESPACE', 'POD_IP'];

/**
 * Kubernetes replaces `$(POD_NAME)` only by an entry that stands earlier in the list, and leaves the text as it is
 * otherwise: so these go first, and to every container that mentions them.
 */
export const identity: Step = {
  name: 'identity',
  additions: (subject) => {
    const list = [...engineAt(subject), 'env'];
    const needs = (name: string) =>
      entry(list, name, 'the engine and its hooks know their pod by it', 'pd-protocols B.0, C-80');
    return [...everywhere(subject, 'initContainers'), ...everywhere(subject, 'containers'), ...engineNeeds.map(needs)];
  },
};

const everywhere = (subject: Subject, field: 'containers' | 'initContainers'): readonly Addition[] =>
  containersOf(subject, field).flatMap((container, index) => {
    const list = ['spec', field, index, 'env'];
    const why = (name: string) => `$(${name}) in this container stays literal text otherwise`;
    return mentioned(container).map((name) => entry(list, name, why(name), 'pd-protocols C-19'));
  });

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
  const referring = texts.filter((text) => text.includes('$('));
  if (referring.length === 0) return referring;
  return [...new Set(referring.flatMap(referencesIn))].filter((name) => Object.hasOwn(fieldPaths, name)).sort();
}

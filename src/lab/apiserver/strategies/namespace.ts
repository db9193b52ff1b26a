/** Namespaces: the `kubernetes` finalizer keeps one until everything inside it is gone. */
import { at, type Obj, textOf } from '../object.js';
import type { Strategy } from '../resource-type.js';
import { child, fill } from './defaulting.js';

export const namespaceStrategy: Strategy = {
  allowUnconditionalUpdate: true,
  nameIsLabel: true,
  defaults(namespace) {
    // A label that selectors of webhooks and policies rely on; the server sets it, whatever the user wrote.
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      'kubernetes.io/metadata.name': namespace.metadata.name,
    };
  },
  prepareCreate(namespace) {
    namespace['status'] = { phase: 'Active' };
    child(namespace, 'spec')['finalizers'] = ['kubernetes'];
  },
  prepareUpdate(namespace: Obj, old: Obj) {
    fill(namespace, { spec: old['spec'] });
    namespace['spec'] = old['spec'];
  },
  fields: (namespace) => ({ 'status.phase': textOf(at(namespace, 'status', 'phase')) }),
};

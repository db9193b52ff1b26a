/** Namespaces gate what is created inside them: the admission plugin NamespaceLifecycle. */
import type { Call } from './call.js';
import type { ApiContext } from './context.js';
import { at } from './object.js';
import { forbiddenBy, notFound } from './status.js';

const namespaceNames = { group: '', plural: 'namespaces', kind: 'Namespace' };
const undeletable = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);
export const initialNamespaces: readonly string[] = [...undeletable];

/** Throws 404 when the namespace of a create does not exist, 403 when it is going away. */
export function assertNamespaceOpen(ctx: ApiContext, { type, namespace: name, name: object = '' }: Call): void {
  if (!type.namespaced || name === undefined) return;
  const namespace = ctx.store.get('namespaces', name);
  if (namespace === undefined) throw notFound(namespaceNames, name);
  if (namespace.metadata.deletionTimestamp === undefined && at(namespace, 'status', 'phase') !== 'Terminating') return;
  const why = `unable to create new content in namespace ${name} because it is being terminated`;
  throw forbiddenBy(type, object, why);
}

/** Throws 403 for the namespaces that every cluster has. */
export function assertDeletable({ type, name = '' }: Call): void {
  if (type.bucket === 'namespaces' && undeletable.has(name)) {
    throw forbiddenBy(type, name, 'this namespace may not be deleted');
  }
}

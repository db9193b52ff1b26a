/** Namespaces gate what is created inside them: the admission plugin NamespaceLifecycle. */
import type { ApiContext, Call } from './call.js';
import { at } from './object.js';
import { forbiddenBy, notFound } from './status.js';

const namespaceNames = { group: '', plural: 'namespaces', kind: 'Namespace' };
const undeletable = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);
export const initialNamespaces: readonly string[] = [...undeletable];

/** Throws 404 when the namespace of a create does not exist, 403 when it is going away or may not go. */
export function assertNamespaceOpen(ctx: ApiContext, call: Call, operation: 'CREATE' | 'DELETE'): void {
  if (operation === 'DELETE') {
    if (call.type.bucket === 'namespaces' && undeletable.has(call.name ?? '')) {
      throw forbiddenBy(call.type, call.name ?? '', 'this namespace may not be deleted');
    }
    return;
  }
  if (!call.type.namespaced || call.type.strategy.virtual === true || call.namespace === undefined) return;
  const namespace = ctx.store.get('namespaces', call.namespace);
  if (namespace === undefined) throw notFound(namespaceNames, call.namespace);
  if (namespace.metadata.deletionTimestamp !== undefined || at(namespace, 'status', 'phase') === 'Terminating') {
    throw forbiddenBy(
      call.type,
      call.name ?? '',
      `unable to create new content in namespace ${call.namespace} because it is being terminated`,
    );
  }
}

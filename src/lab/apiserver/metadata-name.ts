/** A body that is sent to one object's path must not speak of another. */
import type { Call } from './call.js';
import type { Obj } from './object.js';
import { badRequest } from './status.js';

/** Fills in name and namespace from the path, or throws 400 when the body contradicts it. */
export function assertMetadataName({ name = '', namespace, type }: Call, { metadata }: Obj): void {
  metadata.name ??= name;
  if (metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  if (!type.namespaced) return;
  if (metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
    throw badRequest(
      `the namespace of the object (${metadata.namespace}) does not match the namespace on the request (${namespace})`,
    );
  }
  if (namespace !== undefined) metadata.namespace = namespace;
}

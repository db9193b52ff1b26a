import type { ApiContext, Call } from '../call.js';
import type { Obj } from '../object.js';

export function trackManagers(_ctx: ApiContext, _call: Call, current: Obj | undefined, next: Obj): void {
  const known = current?.metadata.managedFields;
  if (known === undefined) delete next.metadata.managedFields;
  else next.metadata.managedFields = known;
}

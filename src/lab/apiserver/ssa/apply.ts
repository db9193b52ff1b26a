import type { ApiContext, Call } from '../call.js';
import type { Obj } from '../object.js';
import { notImplemented } from '../status.js';

export function applyObject(
  _ctx: ApiContext,
  _call: Call,
  _current: Obj | undefined,
  _config: Obj,
  _force: boolean,
): Obj {
  throw notImplemented('server-side apply');
}

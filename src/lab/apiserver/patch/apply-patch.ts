/** One patch on one JSON value, whatever its kind of patch. */

import { unsupportedMedia } from '../media.js';
import type { Dict } from '../object.js';
import { isDict } from '../object.js';
import type { ResourceType } from '../resource-type.js';
import { badRequest } from '../status.js';
import { mergePatch } from './merge.js';
import { strategicPatch } from './strategic.js';

export const patchTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

/** The patched value; `target` may be edited. Without a kind, as for a Scale, there is no strategic patch. */
export async function applyPatchTo(
  type: ResourceType | undefined,
  target: Dict,
  patchType: string,
  patch: unknown,
): Promise<Dict> {
  switch (patchType) {
    case patchTypes.json: {
      const { jsonPatch } = await import('./json-patch.js');
      return jsonPatch(target, patch);
    }
    case patchTypes.merge:
      if (!isDict(patch)) throw badRequest('a merge patch is a JSON object');
      return mergePatch(target, patch) as Dict;
    case patchTypes.strategic:
      if (type !== undefined && !type.custom) return strategicPatch(type.reader, type.schema, target, patch);
      break;
    default:
      break;
  }
  const { strategic, ...others } = patchTypes;
  throw unsupportedMedia(
    type?.custom === false ? [...Object.values(others), strategic] : Object.values(others),
    patchType,
  );
}

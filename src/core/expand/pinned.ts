import { tandemKeys } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import type { Profiles } from '../profiles/types.js';
import { annotationsOf } from './choose-profiles.js';
import { pinnedRevision } from './notes.js';

export interface Pinned {
  readonly profiles: Profiles;
  /** For the user, when the pinned revision is not known any more and the current one stands in for it. */
  readonly warnings: readonly string[];
}

/**
 * The profiles that a serving is to be completed from: those it was pinned to when it was first expanded, so that neither
 * an edit of a profile nor an upgrade changes a running group. Without a pin the current ones.
 */
export function pinnedProfiles(serving: ModelServing, current: Profiles): Pinned {
  const { key } = tandemKeys.profiles;
  const revision = pinnedRevision(annotationsOf(serving)[key]);
  if (revision === undefined || revision === current.revision) return { profiles: current, warnings: [] };
  const then = current.earlier?.get(revision);
  if (then) return { profiles: then, warnings: [] };
  const warning =
    `profiles ${current.revision} are used, because ${serving.metadata.name ?? 'the serving'} is pinned to ${revision}, ` +
    `which is not known here; remove the annotation ${key} to pin it anew, or bring back that revision`;
  return { profiles: current, warnings: [warning] };
}

import type { ModelServing } from '../../src/api/types.js';
import { expandGivenServing } from '../../src/core/expand/serving.js';
import type { Reason } from '../../src/core/expand/types.js';
import type { Decision } from '../decision.js';
import { warningsOf } from '../messages.js';
import type { ReviewRequest } from '../review.js';
import { objectUnder } from '../under-review.js';
import type { World } from '../world.js';

/** Completes a ModelServing. It never refuses for what it finds: the validating webhook sees the result and says why. */
export function mutateModelServing(request: ReviewRequest, world: World): Decision {
  const { object, skip } = objectUnder<ModelServing>(request);
  if (skip) return skip;
  const { patch, reasons, warnings } = expandGivenServing(object, world.profiles(), world.settings());
  return { allowed: true, patch, warnings: warningsOf(warnings), injected: countByProfile(reasons) };
}

export function countByProfile(reasons: readonly Reason[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { by } of reasons) counts[by] = (counts[by] ?? 0) + 1;
  return counts;
}

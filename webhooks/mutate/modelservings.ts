import type { ModelServing } from '../../src/api/types.js';
import { additionsTo } from '../../src/core/expand/serving.js';
import { type Decision, patchOf } from '../decision.js';
import { warningsOf } from '../messages.js';
import type { ReviewRequest } from '../review.js';
import { objectUnder } from '../under-review.js';
import type { World } from '../world.js';

/** Completes a ModelServing. It never refuses for what it finds: the validating webhook sees the result and says why. */
export function mutateModelServing(request: ReviewRequest, world: World): Decision {
  const { object, skip } = objectUnder<ModelServing>(request);
  if (skip) return skip;
  const { expansions, profiles, settings } = world;
  const { templates, metadata, warnings } = additionsTo(object, profiles(), settings(), expansions.addToTemplates);
  const patch = patchOf(metadata);
  return {
    allowed: true,
    patch: templates ? templates.before(patch) : patch,
    warnings: warningsOf(warnings),
    injected: templates?.injected ?? {},
  };
}

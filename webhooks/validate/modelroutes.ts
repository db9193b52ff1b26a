import type { ModelRoute } from '../../src/api/types.js';
import { reviewModelRoute } from '../../src/core/checks/review.js';
import type { Decision } from '../decision.js';
import { judgeChange } from '../messages.js';
import type { ReviewRequest } from '../review.js';
import { objectUnder } from '../under-review.js';
import { contextIn, type World } from '../world.js';

export function validateModelRoute(request: ReviewRequest, world: World): Decision {
  const { object, old, namespace, skip } = objectUnder<ModelRoute>(request);
  if (skip) return skip;
  const context = contextIn(world, namespace);
  return judgeChange(reviewModelRoute(object, context), () => (old ? reviewModelRoute(old, context) : []));
}

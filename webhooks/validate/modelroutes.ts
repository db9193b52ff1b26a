import type { ModelRoute } from '../../src/api/types.js';
import { reviewModelRoute } from '../../src/core/checks/review.js';
import type { Decision } from '../decision.js';
import { judge } from '../messages.js';
import type { ReviewRequest } from '../review.js';
import { objectUnder } from '../under-review.js';
import { contextIn, type World } from '../world.js';

export function validateModelRoute(request: ReviewRequest, world: World): Decision {
  const { object, namespace, skip } = objectUnder<ModelRoute>(request);
  return skip ?? judge(reviewModelRoute(object, contextIn(world, namespace)));
}

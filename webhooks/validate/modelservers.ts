import type { ModelServer } from '../../src/api/types.js';
import { reviewModelServer } from '../../src/core/checks/review.js';
import type { Decision } from '../decision.js';
import { judge } from '../messages.js';
import type { ReviewRequest } from '../review.js';
import { objectUnder } from '../under-review.js';
import { contextWithServings, type World } from '../world.js';

export function validateModelServer(request: ReviewRequest, world: World): Decision {
  const { object, namespace, skip } = objectUnder<ModelServer>(request);
  return skip ?? judge(reviewModelServer(object, contextWithServings(world, namespace)));
}

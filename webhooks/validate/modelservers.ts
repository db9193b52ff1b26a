import type { ModelServer } from '../../src/api/types.js';
import { reviewModelServer } from '../../src/core/checks/review.js';
import type { Decision } from '../decision.js';
import { judgeChange } from '../messages.js';
import type { ReviewRequest } from '../review.js';
import { objectUnder } from '../under-review.js';
import { contextWithServings, type World } from '../world.js';

export function validateModelServer(request: ReviewRequest, world: World): Decision {
  const { object, old, namespace, skip } = objectUnder<ModelServer>(request);
  if (skip) return skip;
  const context = contextWithServings(world, namespace);
  return judgeChange(reviewModelServer(object, context), () => (old ? reviewModelServer(old, context) : []));
}

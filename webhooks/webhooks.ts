import { paths } from './configurations.js';
import type { Decision } from './decision.js';
import { stampBinding } from './mutate/binding.js';
import { mutateModelServing } from './mutate/modelservings.js';
import { mutatePod } from './mutate/pods.js';
import type { ReviewRequest } from './review.js';
import type { Webhook } from './server.js';
import { validateModelRoute } from './validate/modelroutes.js';
import { validateModelServer } from './validate/modelservers.js';
import { validateModelServing, validateScale } from './validate/modelservings.js';
import type { World } from './world.js';

const decisions: readonly (readonly [
  string,
  (request: ReviewRequest, world: World) => Decision | Promise<Decision>,
])[] = [
  [paths.mutateModelServings, mutateModelServing],
  [paths.mutatePods, mutatePod],
  [paths.mutateBindings, stampBinding],
  [paths.validateModelServings, validateModelServing],
  [paths.validateScale, validateScale],
  [paths.validateModelServers, validateModelServer],
  [paths.validateModelRoutes, validateModelRoute],
];

/** Every webhook by its path; the path without the first slash is its name in metrics and logs. */
export const webhooksOver = (world: World): readonly Webhook[] =>
  decisions.map(([path, decide]) => ({ name: path.slice(1), path, decide: (request) => decide(request, world) }));

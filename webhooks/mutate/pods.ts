import type { Pod } from '../../src/api/kube.js';
import { labels } from '../../src/api/names.js';
import { expandGivenPod } from '../../src/core/expand/pod.js';
import { type Decision, pass } from '../decision.js';
import { warningsOf } from '../messages.js';
import type { ReviewRequest } from '../review.js';
import { objectUnder } from '../under-review.js';
import type { World } from '../world.js';
import { countByProfile } from './modelservings.js';

/** Gives a pod of a ModelServing what depends on its identity, whichever controller made it. */
export async function mutatePod(request: ReviewRequest, world: World): Promise<Decision> {
  const { object: pod, namespace, skip } = objectUnder<Pod>(request);
  if (skip) return skip;
  const name = pod.metadata.labels?.[labels.name];
  if (name === undefined) return pass('not a pod of a ModelServing');
  const serving = await world.findServing(namespace, name);
  const context = { profiles: world.profiles(), settings: world.settings(), serving };
  const { patch, reasons, warnings } = expandGivenPod(pod, context);
  return {
    allowed: true,
    patch,
    warnings: warningsOf(warnings),
    injected: countByProfile(reasons),
    ...(serving ? {} : { note: 'there is no such ModelServing: expanded by its own spec alone' }),
  };
}

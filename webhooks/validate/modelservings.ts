import type { ModelServing } from '../../src/api/types.js';
import { isObject } from '../../src/base/json.js';
import type { Finding } from '../../src/core/checks/finding.js';
import { reviewServing } from '../../src/core/checks/review.js';
import { type Decision, pass } from '../decision.js';
import { judge, judgeChange } from '../messages.js';
import type { ReviewRequest } from '../review.js';
import { objectUnder } from '../under-review.js';
import { contextIn, type World } from '../world.js';

export function validateModelServing(request: ReviewRequest, world: World): Decision {
  const { object, old, namespace, skip } = objectUnder<ModelServing>(request);
  return skip ?? judgeChange(review(object, namespace, world), () => (old ? review(old, namespace, world) : []));
}

/**
 * The scale subresource carries only numbers, and Kthena's validator never sees it. The stored ModelServing is judged with
 * the new number; only what the change itself makes wrong is said, so that scaling never fails for an older fault.
 */
export async function validateScale(request: ReviewRequest, world: World): Promise<Decision> {
  const { name, namespace = 'default' } = request;
  const spec = isObject(request.object?.['spec']) ? request.object['spec'] : {};
  const replicas = spec['replicas'] ?? 0;
  const serving = name === undefined ? undefined : await world.findServing(namespace, name);
  if (!serving) return pass('there is no such ModelServing');
  if (typeof replicas !== 'number') return pass('the scale has no number of replicas');
  const before = new Set(review(serving, namespace, world).map(place));
  const scaled = { ...serving, spec: { ...serving.spec, replicas } };
  return judge(review(scaled, namespace, world).filter((finding) => !before.has(place(finding))));
}

/** What a rule saw may contain the number itself, so only rule and place count. */
const place = ({ code, path, severity }: Finding): string => `${code} ${severity} ${path}`;

const review = (serving: ModelServing, namespace: string, world: World): readonly Finding[] =>
  reviewServing(serving, { profiles: world.profiles(), settings: world.settings() }, contextIn(world, namespace));

import type { Pod } from '../../src/api/kube.js';
import { labels, revisionName } from '../../src/api/names.js';
import type { ModelServing } from '../../src/api/types.js';
import { expandGivenPod } from '../../src/core/expand/pod.js';
import { modeOf } from '../../src/core/expand/serving.js';
import { desiredOf } from '../../src/core/rollout/desired.js';
import { servingAt } from '../../src/core/rollout/expansion-inputs.js';
import { type Decision, pass, patchOf } from '../decision.js';
import { warningsOf } from '../messages.js';
import type { ReviewRequest } from '../review.js';
import { objectUnder } from '../under-review.js';
import type { World } from '../world.js';
import { countByProfile } from './count-by-profile.js';

/** Gives a pod of a ModelServing what depends on its identity, whichever controller made it. */
export async function mutatePod(request: ReviewRequest, world: World): Promise<Decision> {
  const { object: pod, namespace, skip } = objectUnder<Pod>(request);
  if (skip) return skip;
  const name = pod.metadata.labels?.[labels.name];
  if (name === undefined) return pass('not a pod of a ModelServing');
  const { serving, note } = await servingFor(pod, { namespace, name }, world);
  const context = { profiles: world.profiles(), settings: world.settings(), serving };
  const { patch, reasons, warnings } = expandGivenPod(pod, context);
  return {
    allowed: true,
    patch: patchOf(patch),
    warnings: warningsOf(warnings),
    injected: countByProfile(reasons),
    ...(note !== undefined && { note }),
  };
}

interface Found {
  readonly serving: ModelServing | undefined;
  readonly note?: string;
}

/**
 * The serving of a pod. In mode `pods` it decides what the pod becomes, so a pod of an earlier revision, in a group that is
 * not rolled yet, gets the serving as it was then.
 */
async function servingFor(
  { metadata }: Pod,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  world: World,
): Promise<Found> {
  const serving = await world.findServing(namespace, name);
  if (serving === undefined) return { serving, note: 'there is no such ModelServing: expanded by its own spec alone' };
  const revision = metadata.labels?.[labels.revision];
  if (modeOf(serving) !== 'pods' || revision === undefined || revision === nameOf(serving)) return { serving };
  const then = await world.findRevision(namespace, revisionName(name, revision));
  if (then?.metadata.ownerReferences?.some(({ uid }) => uid === serving.metadata.uid)) {
    return { serving: servingAt(serving, then) };
  }
  return { serving, note: `revision ${revision} is not known: expanded by the ModelServing as it is at this time` };
}

/** Stored objects never change, and the name of their revision is a hash of all that is in their templates. */
const names = new WeakMap<ModelServing, string>();

function nameOf(serving: ModelServing): string {
  const name = names.get(serving) ?? desiredOf(serving).revision.name;
  names.set(serving, name);
  return name;
}

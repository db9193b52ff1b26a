/** Performs planned steps. It knows the API and no policy; what to do was decided before. */
import type { KubeObject, Pod } from '../api/kube.js';
import { groupName } from '../api/names.js';
import { describeError } from '../base/errors.js';
import { buildPodGroup, buildPodGroupSpec, isGang } from '../core/rollout/build-pod-group.js';
import { buildControllerRevision, buildPod, buildService, ownerOf } from '../core/rollout/children.js';
import { asAnnotations } from '../core/rollout/expansion-inputs.js';
import type { ChildKind } from '../core/rollout/observed.js';
import type { DeletePod, Step } from '../core/rollout/step.js';
import { isAlreadyExists, isConflict, isNotFound } from '../kube/kube-error.js';
import { controllerRevisions, pods, type Resource, services } from '../kube/resources.js';
import { type ExecuteContext, type Refused, taken } from './execution.js';
import { podGroups } from './pod-group-watch.js';
import { resolveTakenName } from './taken-name.js';

const childResources: Readonly<Record<ChildKind, Resource>> = {
  pod: pods,
  service: services,
  'pod-group': podGroups,
  revision: controllerRevisions,
};

type Doing = Promise<Refused | undefined>;
type Performers = { readonly [K in Step['do']]: (step: Extract<Step, { do: K }>, context: ExecuteContext) => Doing };

/** One entry per kind of step; the compiler refuses a missing one. */
const performers: Performers = {
  adopt,
  'create-revision': ({ revision }, context) =>
    create(controllerRevisions, buildControllerRevision(context.desired, revision), context),
  'record-inputs': recordInputs,
  'delete-revision': (step, context) => remove(controllerRevisions, step, context),
  'create-pod-group': createPodGroup,
  'update-pod-group': updatePodGroup,
  'delete-pod-group': (step, context) => remove(podGroups, step, context),
  'create-pod': createPod,
  'delete-pod': deletePod,
  'create-service': ({ slot }, context) => create(services, buildService(context.desired, slot), context),
  'delete-service': (step, context) => remove(services, step, context),
  report: async ({ reason, message }, { warn }) => {
    warn(reason, message);
    return undefined;
  },
  wait: async () => undefined,
};

/** Resolves with a refusal, or with nothing when the step is done. */
export function execute(step: Step, context: ExecuteContext): Doing {
  const performer = performers[step.do] as (step: Step, context: ExecuteContext) => Doing;
  return performer(step, context);
}

async function createPodGroup(step: Extract<Step, { do: 'create-pod-group' }>, context: ExecuteContext): Doing {
  if (!isGang(context.podGroups)) return undefined;
  return create(podGroups, buildPodGroup(context.desired, step.group, step.revision, context.podGroups), context);
}

async function updatePodGroup(step: Extract<Step, { do: 'update-pod-group' }>, context: ExecuteContext): Doing {
  const { client, desired, podGroups: support } = context;
  if (!isGang(support)) return undefined;
  const where = { namespace: desired.namespace, name: groupName(desired.name, step.group) };
  const spec = cleared(buildPodGroupSpec(desired, step.revision, support));
  await client.patch(podGroups, where, 'merge', { spec });
  return undefined;
}

async function createPod(
  { slot, revision }: Extract<Step, { do: 'create-pod' }>,
  context: ExecuteContext,
): Promise<Refused | undefined> {
  const pod = buildPod(context.desired, slot, revision, isGang(context.podGroups));
  try {
    const created = await context.client.create<Pod>(pods, pod);
    context.memory.created(context.key, created, context.clock.now());
    return undefined;
  } catch (error) {
    return isAlreadyExists(error) ? resolveTakenName(pod, context) : refusal('pod', pod, error);
  }
}

/** The end of a broken pod is a loss to its peers; every other deletion is on purpose. */
async function deletePod(step: DeletePod, context: ExecuteContext): Promise<undefined> {
  if (step.because !== 'broken') context.memory.dismiss(context.key, step.uid);
  try {
    await remove(pods, step, context);
  } catch (error) {
    context.memory.recall(context.key, step.uid);
    throw error;
  }
}

async function create(
  resource: Resource,
  object: KubeObject,
  { client, desired }: ExecuteContext,
): Promise<Refused | undefined> {
  try {
    await client.create(resource, object);
    return undefined;
  } catch (error) {
    if (!isAlreadyExists(error)) return refusal(resource.kind, object, error);
    const held = await client.get<KubeObject>(resource, placeOf(object.metadata));
    if (held.metadata.ownerReferences?.some(({ uid }) => uid === desired.uid)) return undefined;
    return taken(resource.kind, held, error);
  }
}

/** Another uid under the name, or nothing at all: what was meant is gone. */
async function remove(
  resource: Resource,
  { name, uid }: { readonly name: string; readonly uid: string },
  { client, desired }: ExecuteContext,
): Promise<undefined> {
  try {
    await client.delete(resource, { namespace: desired.namespace, name }, { uid });
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

/** As a ReplicaSet does with pods that match it and belong to nobody. */
async function adopt(
  { kind, name, uid }: Extract<Step, { do: 'adopt' }>,
  { client, desired }: ExecuteContext,
): Promise<undefined> {
  const patch = { metadata: { uid, ownerReferences: [ownerOf(desired)] } };
  try {
    await client.patch(childResources[kind], { namespace: desired.namespace, name }, 'merge', patch);
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

/** On a revision that somebody else wrote, or that is older than the mode. */
async function recordInputs(
  { name, uid, inputs }: Extract<Step, { do: 'record-inputs' }>,
  { client, desired }: ExecuteContext,
): Promise<undefined> {
  const patch = { metadata: { uid, annotations: asAnnotations(inputs) } };
  try {
    await client.patch(controllerRevisions, { namespace: desired.namespace, name }, 'merge', patch);
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

function refusal(kind: string, { metadata }: KubeObject, error: unknown): Refused {
  return { reason: 'FailedCreate', message: `${kind} ${metadata.name}: ${describeError(error)}`, error };
}

/** In a merge patch null removes a field, absence leaves it. */
const cleared = (spec: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(spec).map(([field, value]) => [field, value ?? null]));

const placeOf = ({ namespace, name }: KubeObject['metadata']) => ({
  ...(namespace === undefined ? {} : { namespace }),
  ...(name === undefined ? {} : { name }),
});

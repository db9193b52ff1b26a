/** `pods/binding`: gives a pod its node. Labels and annotations that admission puts on the Binding reach the pod. */
import type { Attributes } from '../admission/attributes.js';
import type { Call } from '../call.js';
import type { ApiContext } from '../context.js';
import { notSupported, required, textOfError } from '../field-error.js';
import { at, clone, type Dict, dictOf, isDict, listOf, type Obj, textOf, timestamp } from '../object.js';
import { trackManagers } from '../ssa/track.js';
import { ApiError, badRequest, conflict, notFound } from '../status.js';

const kind = { group: '', version: 'v1', kind: 'Binding' };
const copiedTopology = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'];

/** Binds and returns the Status of success. Throws 409 when the pod has a node or is going away. */
export async function bindPod(ctx: ApiContext, call: Call & { name: string }, body: unknown): Promise<Dict> {
  if (!isDict(body)) throw badRequest('the body must be a v1 Binding');
  const metadata = { ...dictOf(body['metadata']), name: call.name, namespace: call.namespace };
  const sent = { ...body, apiVersion: 'v1', kind: 'Binding', metadata } as unknown as Obj;
  const bindings = ctx.registry.find('', 'v1', 'bindings');
  if (bindings !== undefined) trackManagers(ctx, { ...call, type: bindings }, undefined, sent);
  stampTopology(ctx, sent);
  const object = await ctx.admission.mutate(
    { call, operation: 'CREATE', kind, object: sent },
    (changed) => changed as Obj,
  );
  assertBinding(object);
  await ctx.admission.validate({ call, operation: 'CREATE', kind, object } satisfies Attributes);
  // Nothing is awaited from here on, so the pod that is read is the pod that is replaced.
  const held = ctx.store.get(call.type.bucket, `${call.namespace}/${call.name}`);
  if (held === undefined) throw notFound(call.type, call.name);
  const pod = bound(ctx, call, clone(held), object);
  if (!call.dryRun) ctx.store.put(call.type.bucket, pod);
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
}

/** The admission plugin PodTopologyLabels. */
function stampTopology(ctx: ApiContext, binding: Obj): void {
  const node = ctx.store.get('nodes', textOf(at(binding, 'target', 'name')));
  const found = copiedTopology.flatMap((key) => {
    const value = node?.metadata.labels?.[key];
    return value === undefined ? [] : [[key, value] as const];
  });
  if (found.length > 0) binding.metadata.labels = { ...binding.metadata.labels, ...Object.fromEntries(found) };
}

function assertBinding(binding: Obj): void {
  const target = dictOf(binding['target']);
  const errors = [];
  const targetKind = textOf(target['kind']);
  if (targetKind !== '' && targetKind !== 'Node')
    errors.push(notSupported('target.kind', targetKind, ['Node', '<empty>']));
  if (textOf(target['name']) === '') errors.push(required('target.name'));
  // The real server returns the bare list of errors, which has no better code.
  if (errors.length > 0) throw new ApiError(500, '', errors.map(textOfError).join(', '));
}

function bound(ctx: ApiContext, { type, name = '' }: Call, pod: Obj, binding: Obj): Obj {
  const refuse = (why: string) => conflict({ ...type, plural: 'pods/binding' }, name, why);
  const { uid } = binding.metadata;
  if (uid && uid !== pod.metadata.uid) {
    throw refuse(`Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`);
  }
  if (pod.metadata.deletionTimestamp !== undefined)
    throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  const spec = dictOf(pod['spec']);
  if (textOf(spec['nodeName']) !== '')
    throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(spec['nodeName'])}`);
  if (listOf(spec['schedulingGates']).length > 0) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  spec['nodeName'] = at(binding, 'target', 'name');
  const { labels, annotations } = binding.metadata;
  if (labels !== undefined) pod.metadata.labels = { ...pod.metadata.labels, ...labels };
  if (annotations !== undefined) pod.metadata.annotations = { ...pod.metadata.annotations, ...annotations };
  const status = dictOf(pod['status']);
  const others = listOf(status['conditions']).filter((condition) => dictOf(condition)['type'] !== 'PodScheduled');
  pod['status'] = {
    ...status,
    conditions: [
      ...others,
      { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: timestamp(ctx.now()) },
    ],
  };
  return pod;
}

import type { Pod, PodSpec } from '../../api/kube.js';
import { groupName, labels, ordinalOf, podName, roleId } from '../../api/names.js';
import type { ModelServing, PodTemplate, Role } from '../../api/types.js';
import { type Amounts, requestsOf } from './resources.js';

/** One pod of a serving group, existing or still to come. */
export interface Member {
  /** Name of the pod: the identity of its slot, also when the pod is made anew. */
  readonly name: string;
  readonly role: string;
  /** Which instance of the role, e.g. `prefill-0`; entry and workers of one instance share it. */
  readonly roleId: string;
  readonly request: Amounts;
  /** The pod's own spec, or the one its template promises: what it may run on. */
  readonly spec: PodSpec;
  /** Absent while the pod does not exist. */
  readonly uid?: string;
  /** Where it is bound. */
  readonly node?: string;
  /** Where it is expected before its binding is seen: a nomination, or recent advice to the scheduler. */
  readonly expected?: string;
}

/** `namespace/group-name`. */
export type GroupKey = string;

/** The group of a pod with a controller's four labels; undefined for any other pod. */
export function groupKeyOf(pod: Pod): GroupKey | undefined {
  const own = pod.metadata.labels;
  if (own?.[labels.name] === undefined || own[labels.role] === undefined) return undefined;
  const group = own[labels.groupName];
  return group === undefined ? undefined : `${pod.metadata.namespace ?? 'default'}/${group}`;
}

/** `namespace/name` of the ModelServing that a pod's labels name. */
export function servingKeyOf(pod: Pod): string | undefined {
  const name = pod.metadata.labels?.[labels.name];
  return name === undefined ? undefined : `${pod.metadata.namespace ?? 'default'}/${name}`;
}

/** Whether a pod still holds what it asked for on its node. */
export function holdsResources(pod: Pod): boolean {
  return pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed';
}

/** A pod as a member of its group. */
export function memberOf(pod: Pod): Member {
  const { metadata, spec, status } = pod;
  const nominated = status?.nominatedNodeName;
  const role = metadata.labels?.[labels.role] ?? '';
  return {
    name: metadata.name ?? '',
    role,
    roleId: metadata.labels?.[labels.roleId] ?? role,
    request: requestsOf(pod),
    spec,
    ...(metadata.uid !== undefined && { uid: metadata.uid }),
    ...(spec.nodeName ? { node: spec.nodeName } : nominated && { expected: nominated }),
  };
}

/**
 * The members of one group: its pods, and the slots of the serving's template that have no pod yet. A slot takes its
 * spec from a living pod of the same kind when there is one, because admission may have added devices to it.
 */
export function membersOf(pods: readonly Pod[], serving: ModelServing | undefined, group: string): readonly Member[] {
  const members = new Map<string, Member>();
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp === undefined && holdsResources(pod)) {
      members.set(pod.metadata.name ?? '', memberOf(pod));
    }
  }
  if (serving !== undefined) {
    for (const slot of slotsOf(serving, group)) {
      if (!members.has(slot.name)) members.set(slot.name, like(slot, pods));
    }
  }
  return [...members.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** The groups that a serving asks for: `name-0` to `name-(replicas-1)`, at most `slotLimit` of them. */
export function groupsOf(serving: ModelServing): readonly string[] {
  const count = atMost(serving.spec.replicas ?? 1);
  return Array.from({ length: count }, (_, group) => groupName(serving.metadata.name ?? '', group));
}

/** A typing error in `replicas` must not make the plan of everyone else slow: slots beyond this are not planned. */
const slotLimit = 512;
const atMost = (count: number): number => Math.min(Math.max(count, 0), slotLimit);

function slotsOf(serving: ModelServing, group: string): Member[] {
  const ordinal = ordinalOf(group);
  if (ordinal === undefined || serving.metadata.deletionTimestamp !== undefined) return [];
  const name = serving.metadata.name ?? '';
  const slots = serving.spec.template.roles.flatMap((role) => {
    const instances = Array.from({ length: atMost(role.replicas ?? 1) }, (_, instance) => instance);
    return instances.flatMap((instance) =>
      podsOf(role).map((template, index) => ({
        name: podName({ serving: name, group: ordinal, role: role.name, instance, index }),
        role: role.name,
        roleId: roleId(role.name, instance),
        ...promised(template),
      })),
    );
  });
  return slots.slice(0, slotLimit);
}

/** The templates of one instance: the entry, then its workers. */
function podsOf(role: Role): PodTemplate[] {
  const workers = Array.from(
    { length: atMost(role.workerReplicas ?? 0) },
    () => role.workerTemplate ?? role.entryTemplate,
  );
  return [role.entryTemplate, ...workers];
}

function promised(template: PodTemplate): { spec: PodSpec; request: Amounts } {
  const spec = template.spec as unknown as PodSpec;
  return { spec, request: requestsOf({ metadata: {}, spec }) };
}

function like(slot: Member, pods: readonly Pod[]): Member {
  const isEntry = slot.name.endsWith('-0');
  const twin = pods.find(
    ({ metadata }) => metadata.labels?.[labels.role] === slot.role && (metadata.name ?? '').endsWith('-0') === isEntry,
  );
  return twin === undefined ? slot : { ...slot, spec: twin.spec, request: requestsOf(twin) };
}

/** How much the link between two members of one group matters; 0 when no traffic runs between them. */
export function linkWeight(a: Member, b: Member): number {
  if (a.roleId === b.roleId) return weights.sameInstance;
  if (a.role === b.role) return 0;
  return isPair(a, b) ? weights.prefillDecode : weights.otherRoles;
}

/** Whether two members hand KV to each other: one prefill, one decode. */
export function isPair(a: Member, b: Member): boolean {
  return (isPrefill(a.role) && isDecode(b.role)) || (isDecode(a.role) && isPrefill(b.role));
}

/** Tensor and pipeline traffic inside an instance runs for every token; KV moves once per request; other roles only talk. */
const weights = { sameInstance: 8, prefillDecode: 4, otherRoles: 1 };

export const isPrefill = (role: string): boolean => /prefill/i.test(role);
export const isDecode = (role: string): boolean => /decode/i.test(role);

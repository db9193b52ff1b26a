/** What the cluster holds of one serving, as facts that the planner can decide on. */
import type { KubeObject, Pod } from '../../api/kube.js';
import { groupName, labels, podName, roleId, type Slot } from '../../api/names.js';
import type { Role } from '../../api/types.js';
import type { Instant } from '../../base/clock.js';
import type { Desired } from './desired.js';
import { type ExpansionInputs, readInputs, templatesIn } from './expansion-inputs.js';
import { brokenSince, deletionCost, isReady } from './pod-health.js';

export interface ControllerRevision extends KubeObject {
  readonly data?: unknown;
  readonly revision?: number;
}
export interface PodGroup extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Raw objects of one namespace that carry the serving's name label, and what this process remembers. */
export interface Snapshot {
  readonly now: Instant;
  readonly pods: readonly Pod[];
  readonly services: readonly KubeObject[];
  readonly podGroups: readonly PodGroup[];
  readonly revisions: readonly ControllerRevision[];
  /** Uids of pods that this process asked to delete on purpose: their end is no loss. */
  readonly dismissed: ReadonlySet<string>;
  readonly losses: readonly Loss[];
}

/** A pod that ended without our doing, and who was there at that moment. */
export interface Loss {
  readonly group: string;
  readonly roleId: string;
  readonly survivors: ReadonlySet<string>;
}

export interface PodFact {
  readonly name: string;
  readonly uid: string;
  readonly slot: Slot;
  readonly revision: string | undefined;
  readonly roleHash: string | undefined;
  readonly ready: boolean;
  readonly terminating: boolean;
  /** Since when it counts as failed or crashing; undefined when it does not. */
  readonly brokenSince: Instant | undefined;
  readonly cost: number;
}

export interface NamedFact {
  readonly name: string;
  readonly uid: string;
  readonly terminating: boolean;
}

export interface RevisionFact extends NamedFact {
  /** The value of the revision label. */
  readonly revision: string;
  readonly templates: readonly Role[];
  readonly inputs: ExpansionInputs;
}

export interface PodGroupFact extends NamedFact {
  readonly spec: Readonly<Record<string, unknown>>;
}

export type ChildKind = 'pod' | 'service' | 'pod-group' | 'revision';

export interface Observed {
  readonly now: Instant;
  readonly pods: readonly PodFact[];
  readonly services: readonly NamedFact[];
  readonly podGroups: readonly PodGroupFact[];
  readonly revisions: readonly RevisionFact[];
  /** Objects with our labels that nobody controls: left by `delete --cascade=orphan`. */
  readonly orphans: readonly (NamedFact & { readonly kind: ChildKind })[];
  /** Names that objects of another owner hold. */
  readonly taken: ReadonlyMap<string, string>;
  readonly dismissed: ReadonlySet<string>;
  readonly losses: readonly Loss[];
}

export function readObserved(snapshot: Snapshot, desired: Desired): Observed {
  const orphans: (NamedFact & { kind: ChildKind })[] = [];
  const taken = new Map<string, string>();
  const ours = <T extends KubeObject>(kind: ChildKind, objects: readonly T[]): T[] =>
    objects.filter((object) => {
      const owner = object.metadata.ownerReferences?.find((reference) => reference.controller === true);
      if (owner === undefined) orphans.push({ kind, ...namedFact(object) });
      else if (owner.uid !== desired.uid) taken.set(`${kind}/${object.metadata.name}`, `${owner.kind} ${owner.name}`);
      return owner === undefined || owner.uid === desired.uid;
    });
  const pods = [...snapshot.pods].sort(byName).filter((pod) => slotOf(pod.metadata.name ?? '', desired.name));
  return {
    now: snapshot.now,
    pods: ours('pod', pods).flatMap((pod) => podFact(pod, desired.name, snapshot.dismissed)),
    services: ours('service', [...snapshot.services].sort(byName)).map(namedFact),
    podGroups: ours('pod-group', [...snapshot.podGroups].sort(byName)).map((one) => ({
      ...namedFact(one),
      spec: one.spec ?? {},
    })),
    revisions: ours('revision', [...snapshot.revisions].sort(byName)).flatMap(revisionFact),
    orphans,
    taken,
    dismissed: snapshot.dismissed,
    losses: snapshot.losses,
  };
}

/** The slot that a pod's name says; names are unique and cannot be edited, labels can. */
export function slotOf(name: string, serving: string): Slot | undefined {
  if (!name.startsWith(`${serving}-`)) return undefined;
  const match = /^(\d{1,9})-(.+)-(\d{1,9})-(\d{1,9})$/.exec(name.slice(serving.length + 1));
  const [, group, role, instance, index] = match ?? [];
  if (role === undefined) return undefined;
  const slot = { serving, group: Number(group), role, instance: Number(instance), index: Number(index) };
  return podName(slot) === name ? slot : undefined; // refuses 007
}

export const groupOf = (slot: Slot): string => groupName(slot.serving, slot.group);
export const instanceOf = (slot: Slot): string => roleId(slot.role, slot.instance);

function podFact(pod: Pod, serving: string, dismissed: ReadonlySet<string>): PodFact[] {
  const { name = '', uid = '', labels: marks = {}, deletionTimestamp } = pod.metadata;
  const slot = slotOf(name, serving);
  if (slot === undefined) return [];
  const terminating = deletionTimestamp !== undefined || dismissed.has(uid);
  return [
    {
      name,
      uid,
      slot,
      revision: marks[labels.revision],
      roleHash: marks[labels.roleTemplateHash],
      ready: isReady(pod) && !terminating,
      terminating,
      brokenSince: terminating ? undefined : brokenSince(pod),
      cost: deletionCost(pod),
    },
  ];
}

function revisionFact(object: ControllerRevision): RevisionFact[] {
  const revision = object.metadata.labels?.[labels.revision];
  const templates = templatesIn(object);
  if (revision === undefined || templates === undefined) return [];
  return [{ ...namedFact(object), revision, templates, inputs: readInputs(object.metadata.annotations) }];
}

/** Watches deliver in any order; equal content must give an equal plan. */
function byName(a: KubeObject, b: KubeObject): number {
  const [left = '', right = ''] = [a.metadata.name, b.metadata.name];
  return left < right ? -1 : Number(left > right);
}

const namedFact = ({ metadata }: KubeObject): NamedFact => ({
  name: metadata.name ?? '',
  uid: metadata.uid ?? '',
  terminating: metadata.deletionTimestamp !== undefined,
});

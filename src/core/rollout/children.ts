/** The objects that a ModelServing owns, as Kthena makes them: names, labels, env and owner are those of kthena-workload 2. */
import type { Container, EnvVar, KubeObject, ObjectMeta, OwnerReference, Pod } from '../../api/kube.js';
import {
  apiVersion,
  entryPodName,
  env,
  groupName,
  labels,
  podName,
  revisionName,
  roleId,
  type Slot,
  volcano,
  workloadGroup,
} from '../../api/names.js';
import type { PodTemplate } from '../../api/types.js';
import type { Desired, Revision, RoleSpec } from './desired.js';
import { asAnnotations } from './expansion-inputs.js';
import type { ControllerRevision } from './observed.js';
import { applyPlugins } from './plugins.js';

export interface Service extends KubeObject {
  readonly spec: Readonly<Record<string, unknown>>;
}

export const ownerOf = ({ name, uid }: Desired): OwnerReference => ({
  apiVersion: `${workloadGroup}/${apiVersion}`,
  kind: 'ModelServing',
  name,
  uid,
  controller: true,
  blockOwnerDeletion: true,
});

/** `gang`: PodGroups exist for this serving, so the pod names its own. */
export function buildPod(desired: Desired, slot: Slot, revision: Revision, gang: boolean): Pod {
  const role = roleOf(revision, slot);
  const template = slot.index === 0 ? role.entryTemplate : (role.workerTemplate ?? {});
  const entries = slotEnv(desired, slot, role);
  const withEnv = (container: Container): Container => ({ ...container, env: appendEnv(container.env, entries) });
  const spec = template.spec ?? { containers: [] };
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: podMetadata(desired, { slot, template, revision, gang }),
    spec: {
      ...spec,
      ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(withEnv) }),
      // A template of the terse form may say something about its pods and nothing about containers.
      containers: (spec.containers ?? []).map(withEnv),
      schedulerName: desired.schedulerName,
    },
  };
  return applyPlugins(pod, desired, slot);
}

/** Resolves ENTRY_ADDRESS to the entry pod, also before it is ready; it has no ports. */
export function buildService(desired: Desired, slot: Slot): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: entryPodName(slot),
      namespace: desired.namespace,
      labels: { [labels.name]: desired.name, ...placeLabels(slot) },
      ownerReferences: [ownerOf(desired)],
    },
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: { ...placeLabels(slot), [labels.entry]: 'true' },
    },
  };
}

export function buildControllerRevision(desired: Desired, revision: Revision): ControllerRevision {
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: revisionName(desired.name, revision.name),
      namespace: desired.namespace,
      labels: { [labels.name]: desired.name, [labels.revision]: revision.name },
      ...(revision.inputs && { annotations: asAnnotations(revision.inputs) }),
      ownerReferences: [ownerOf(desired)],
    },
    data: { data: revision.templates },
    revision: 1,
  };
}

/** The labels by which the controller finds a pod again; they are restored when someone removes them. */
export function podLabels(desired: Desired, slot: Slot, revision: Revision): Record<string, string> {
  return {
    [labels.name]: desired.name,
    ...placeLabels(slot),
    [labels.revision]: revision.name,
    [labels.roleTemplateHash]: roleOf(revision, slot).hash,
    ...(slot.index === 0 ? { [labels.entry]: 'true' } : {}),
  };
}

function podMetadata(
  desired: Desired,
  made: { slot: Slot; template: PodTemplate; revision: Revision; gang: boolean },
): ObjectMeta {
  const { slot, template, revision, gang } = made;
  const own = gang
    ? {
        [volcano.groupName]: groupName(slot.serving, slot.group),
        [volcano.taskSpec]: roleId(slot.role, slot.instance),
      }
    : {};
  const annotations = { ...template.metadata?.annotations, ...own };
  return {
    name: podName(slot),
    namespace: desired.namespace,
    // Ours last: a template that overrides them would hide its pods from services and from the controller.
    labels: { ...withoutOurs(template.metadata?.labels), ...podLabels(desired, slot, revision) },
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ownerReferences: [ownerOf(desired)],
  };
}

const ourKeys: ReadonlySet<string> = new Set(Object.values(labels));

export const withoutOurs = (given: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(given).filter(([key]) => !ourKeys.has(key)));

const placeLabels = (slot: Slot): Record<string, string> => ({
  [labels.groupName]: groupName(slot.serving, slot.group),
  [labels.role]: slot.role,
  [labels.roleId]: roleId(slot.role, slot.instance),
});

function slotEnv(desired: Desired, slot: Slot, role: RoleSpec): EnvVar[] {
  return [
    { name: env.groupSize, value: String(role.workers + 1) },
    { name: env.entryAddress, value: `${entryPodName(slot)}.${desired.namespace}` },
    { name: env.workerIndex, value: String(slot.index) },
  ];
}

/** At the end, so that command and args can refer to them; entries of the same name give way. */
function appendEnv(given: readonly EnvVar[] = [], ours: readonly EnvVar[]): EnvVar[] {
  return [...given.filter(({ name }) => !ours.some((entry) => entry.name === name)), ...ours];
}

function roleOf(revision: Revision, slot: Slot): RoleSpec {
  const role = revision.roles.find(({ name }) => name === slot.role);
  if (role === undefined) throw new TypeError(`revision ${revision.name} has no role ${slot.role}`);
  return role;
}

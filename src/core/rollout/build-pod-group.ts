/** PodGroups of Volcano (`scheduling.volcano.sh/v1beta1`), one per serving group; kthena-workload 2.5. */
import { groupName, labels, volcano } from '../../api/names.js';
import type { PodTemplate } from '../../api/types.js';
import { ownerOf, withoutOurs } from './children.js';
import type { Desired, Revision, RoleSpec } from './desired.js';
import { withCounts } from './groups.js';
import type { PodGroup } from './observed.js';
import { sumQuantities } from './sum-quantities.js';

/**
 * `absent`: the kind is not installed. `unused`: another scheduler than Volcano is asked for. Else whether the installed
 * kind has `subGroupPolicy` (Volcano 1.14 and later).
 */
export type PodGroupSupport = 'absent' | 'unused' | { readonly subGroups: boolean };

export const isGang = (support: PodGroupSupport): support is { readonly subGroups: boolean } =>
  typeof support === 'object';

export function buildPodGroup(
  desired: Desired,
  group: number,
  revision: Revision,
  support: { readonly subGroups: boolean },
): PodGroup {
  const name = groupName(desired.name, group);
  const { blockOwnerDeletion: _omitted, ...owner } = ownerOf(desired);
  const spec = Object.entries(buildPodGroupSpec(desired, revision, support)).filter(([, value]) => value !== undefined);
  return {
    apiVersion: 'scheduling.volcano.sh/v1beta1',
    kind: 'PodGroup',
    metadata: {
      name,
      namespace: desired.namespace,
      labels: { ...sharedLabels(revision), [labels.name]: desired.name, [labels.groupName]: name },
      annotations: { [volcano.groupName]: name },
      ownerReferences: [owner],
    },
    spec: Object.fromEntries(spec),
  };
}

/** Labels that all pods of a group carry: MindCluster's scheduler plugin knows its jobs by one (pd-protocols B.1.2). */
function sharedLabels({ roles }: Revision): Readonly<Record<string, string>> {
  const templates = roles.flatMap(({ entryTemplate, workerTemplate, workers }) =>
    workers > 0 ? [entryTemplate, workerTemplate] : [entryTemplate],
  );
  const [first = {}, ...others] = templates.map((template) => withoutOurs(template?.metadata?.labels));
  return Object.fromEntries(Object.entries(first).filter(([key, value]) => others.every((own) => own[key] === value)));
}

/** The fields that the controller owns; an undefined one is cleared on update. The queue is left alone unless it is named. */
export function buildPodGroupSpec(
  desired: Desired,
  revision: Revision,
  support: { readonly subGroups: boolean },
): Record<string, unknown> {
  const { serving } = desired;
  const { gangPolicy, networkTopology } = serving.spec.template;
  const queue = serving.metadata.annotations?.[volcano.queueName];
  const roles = withCounts(revision, desired.revision).map((role) => ({
    role,
    min: Math.min(gangPolicy?.minRoleReplicas?.[role.name] ?? role.replicas, role.replicas),
  }));
  return {
    minMember: roles.reduce((sum, { role, min }) => sum + (1 + role.workers) * min, 0),
    minResources: sumQuantities(roles.flatMap(({ role, min }) => requestsOf(role, min))),
    networkTopology: networkTopology?.groupPolicy,
    ...(queue === undefined ? {} : { queue }),
    ...(support.subGroups
      ? { subGroupPolicy: roles.map(({ role, min }) => subGroup(desired, role, min, networkTopology?.rolePolicy)) }
      : {}),
  };
}

function subGroup(desired: Desired, role: RoleSpec, min: number, topology: unknown): Record<string, unknown> {
  return {
    name: role.name,
    labelSelector: { matchLabels: { [labels.name]: desired.name, [labels.role]: role.name } },
    matchLabelKeys: [labels.roleId],
    subGroupSize: 1 + role.workers,
    minSubGroups: min,
    ...(topology === undefined ? {} : { networkTopology: topology }),
  };
}

interface Counted {
  readonly requests: Readonly<Record<string, string | number>>;
  readonly times: number;
}

/** Requests of regular containers, as Kthena counts them: no limits, no init containers. */
function requestsOf({ entryTemplate, workerTemplate, workers }: RoleSpec, min: number): Counted[] {
  const of = (template: PodTemplate | undefined, times: number): Counted[] =>
    (template?.spec?.containers ?? []).map(({ resources }) => ({ requests: resources?.requests ?? {}, times }));
  return [...of(entryTemplate, min), ...of(workerTemplate, min * workers)].filter(({ times }) => times > 0);
}

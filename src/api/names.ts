/**
 * The one place that spells the keys through which the parts meet: labels, annotations, environment, derived names.
 * `docs/keys.md` is generated from `tandemKeys`.
 */
export const workloadGroup = 'workload.serving.volcano.sh';
export const networkingGroup = 'networking.serving.volcano.sh';
export const apiVersion = 'v1alpha1';

/** Labels that Kthena's controller puts on pods, services and PodGroups, and so does ours. */
export const labels = {
  name: 'modelserving.volcano.sh/name',
  groupName: 'modelserving.volcano.sh/group-name',
  role: 'modelserving.volcano.sh/role',
  roleId: 'modelserving.volcano.sh/role-id',
  revision: 'modelserving.volcano.sh/revision',
  roleTemplateHash: 'modelserving.volcano.sh/role-template-hash',
  entry: 'modelserving.volcano.sh/entry',
} as const;

/** Environment that the controller appends to every container and init container. */
export const env = { groupSize: 'GROUP_SIZE', entryAddress: 'ENTRY_ADDRESS', workerIndex: 'WORKER_INDEX' } as const;

/** Annotations of Volcano that bind a pod to its PodGroup. */
export const volcano = {
  groupName: 'scheduling.k8s.io/group-name',
  taskSpec: 'volcano.sh/task-spec',
  queueName: 'scheduling.volcano.sh/queue-name',
  schedulerName: 'volcano',
  podGroupCrd: 'podgroups.scheduling.volcano.sh',
} as const;

export interface Key {
  readonly key: string;
  readonly on: string;
  readonly writtenBy: string;
  readonly readBy: string;
  readonly value: string;
}

const key = (name: string, on: string, writtenBy: string, readBy: string, value: string): Key => ({
  key: `tandem.dev/${name}`,
  on,
  writtenBy,
  readBy,
  value,
});

/** Our own keys, each with who writes and who reads it. A part that finds a key absent still works, with less knowledge. */
export const tandemKeys = {
  expand: key(
    'expand',
    'ModelServing annotation',
    'user',
    'webhooks, controller',
    '`template` (default), `pods`, `off`',
  ),
  model: key('model', 'ModelServing annotation', 'user (terse form)', 'webhooks', 'model id, e.g. `Qwen/Qwen3-0.6B`'),
  engine: key('engine', 'ModelServing annotation', 'user (terse form)', 'webhooks', 'name of an engine profile'),
  connector: key(
    'connector',
    'ModelServing annotation; Pod label',
    'user (terse form); pods webhook',
    'webhooks; router, checks',
    'name of a connector profile',
  ),
  accelerator: key(
    'accelerator',
    'ModelServing annotation',
    'user (terse form)',
    'webhooks',
    'name of an accelerator profile',
  ),
  tensorParallel: key(
    'tensor-parallel',
    'role template annotation, or ModelServing annotation for all roles',
    'user (terse form)',
    'webhooks',
    'integer',
  ),
  dataParallel: key(
    'data-parallel',
    'role template annotation, or ModelServing annotation for all roles',
    'user (terse form)',
    'webhooks',
    'integer',
  ),
  devices: key(
    'devices',
    'role template annotation, or ModelServing annotation for all roles',
    'user (terse form)',
    'webhooks',
    'devices per pod, integer',
  ),
  engineArgs: key(
    'engine-args',
    'role template annotation, or ModelServing annotation for all roles',
    'user (terse form)',
    'webhooks',
    'arguments, shell-quoted',
  ),
  store: key(
    'store',
    'ModelServing annotation',
    'user',
    'webhooks',
    'address of the KV store, pool or proxy that the connector needs, e.g. `mooncake-master.kv:50088`',
  ),
  network: key(
    'network',
    'ModelServing annotation',
    'user',
    'webhooks',
    'network card of every pod that moves KV: `RESOURCE` or `RESOURCE=COUNT`, e.g. `rdma/ib`',
  ),
  options: key(
    'options',
    'ModelServing annotation',
    'user',
    'webhooks',
    'options of the accelerator profile: `NAME=VALUE`, comma separated, e.g. `node-type=module-910b-8`; `NAME` alone means `on` (docs/profiles.md)',
  ),
  profiles: key(
    'profiles',
    'ModelServing annotation',
    'modelservings webhook',
    'pods webhook, controller, `explain`',
    'profiles used with content revision: the pin',
  ),
  expanded: key(
    'expanded',
    'ModelServing or Pod annotation',
    'webhooks',
    '`explain`, the user',
    'what was added and why, compact, under 4 KB',
  ),
  skipChecks: key(
    'skip-checks',
    'ModelServing, ModelServer, ModelRoute annotation',
    'user',
    'checks',
    'rule codes, comma separated',
  ),
  placement: key(
    'placement',
    'ModelServing annotation',
    'user',
    'planner',
    '`preferred` (default), `required: LEVEL`, `off`',
  ),
  dialect: key('dialect', 'Pod label', 'pods webhook', 'router, checks', '`nixl-pull`, `mooncake`, ...'),
  kvFingerprint: key('kv-fingerprint', 'Pod label', 'pods webhook', 'router, rollout planner', '16 hex digits'),
  placed: key('placed', 'Pod annotation', 'placement check', 'status, the user', 'level reached and level planned'),
  fallback: key('fallback', 'ModelServer annotation', 'user', 'router', '`none` (default), `recompute`, `aggregated`'),
} as const;

/** Rungs of the distance ladder, nearest first. */
export const levels = ['node', 'domain', 'leaf', 'rack', 'zone', 'region'] as const;
export type Level = (typeof levels)[number];

/** Pod label that holds the domain of the pod's node at a level; written at bind time. */
export const topologyLabel = (level: Level): string => `topology.tandem.dev/${level}`;

/** One pod of a serving: which group, which role instance, entry (0) or which worker. */
export interface Slot {
  readonly serving: string;
  readonly group: number;
  readonly role: string;
  readonly instance: number;
  readonly index: number;
}

export const groupName = (serving: string, group: number): string => `${serving}-${group}`;
export const roleId = (role: string, instance: number): string => `${role}-${instance}`;
export const podName = ({ serving, group, role, instance, index }: Slot): string =>
  `${groupName(serving, group)}-${roleId(role, instance)}-${index}`;
export const entryPodName = (slot: Slot): string => podName({ ...slot, index: 0 });
export const revisionName = (serving: string, revision: string): string => `${serving}-${revision}`;

/** The ordinal at the end of a name made by the functions above; undefined when there is none. */
export function ordinalOf(name: string): number | undefined {
  const match = /-(\d{1,9})$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

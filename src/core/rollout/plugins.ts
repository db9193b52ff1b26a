/** The pod plugins that Kthena builds in (`spec.plugins`), by the same names. They run last, in the order of the list. */
import { createHash } from 'node:crypto';
import type { EnvVar, Pod } from '../../api/kube.js';
import { groupName, type Slot } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import { isObject } from '../../base/json.js';
import type { Desired } from './desired.js';

type PluginSpec = NonNullable<ModelServing['spec']['plugins']>[number];
type Plugin = (pod: Pod, config: Record<string, unknown>, at: { desired: Desired; slot: Slot }) => Pod;

const plugins: Readonly<Record<string, Plugin>> = {
  'demo-pod-tweaks': (pod, config) => tweak(pod, config),
  'lws-standard-labels': (pod, _config, at) => labelForLws(pod, at),
};

/** Names in `spec.plugins` that nothing here answers to; pods are made without them. */
export const unknownPlugins = ({ spec }: ModelServing): string[] =>
  (spec.plugins ?? []).map(({ name }) => name).filter((name) => !(name in plugins));

export function applyPlugins(pod: Pod, desired: Desired, slot: Slot): Pod {
  return (desired.serving.spec.plugins ?? [])
    .filter((plugin) => covers(plugin, slot))
    .reduce(
      (made, { name, config }) => plugins[name]?.(made, isObject(config) ? config : {}, { desired, slot }) ?? made,
      pod,
    );
}

function covers({ scope }: PluginSpec, slot: Slot): boolean {
  const { roles = [], target = '' } = scope ?? {};
  if (roles.length > 0 && !roles.includes(slot.role)) return false;
  return target === '' || target === 'All' || target === (slot.index === 0 ? 'Entry' : 'Worker');
}

function tweak(pod: Pod, config: Record<string, unknown>): Pod {
  const { runtimeClassName, annotations, env } = config;
  const extra = Array.isArray(env) ? (env as EnvVar[]) : [];
  const withEnv = <T extends { readonly env?: readonly EnvVar[] }>(container: T): T => ({
    ...container,
    env: [...(container.env ?? []), ...extra],
  });
  return {
    ...pod,
    metadata: isObject(annotations)
      ? { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...(annotations as Record<string, string>) } }
      : pod.metadata,
    spec: {
      ...pod.spec,
      ...(typeof runtimeClassName === 'string' ? { runtimeClassName } : {}),
      containers: pod.spec.containers.map(withEnv),
      ...(pod.spec.initContainers === undefined ? {} : { initContainers: pod.spec.initContainers.map(withEnv) }),
    },
  };
}

/** Labels of LeaderWorkerSet pods, when a LeaderWorkerSet owns the ModelServing. */
function labelForLws(pod: Pod, { desired, slot }: { desired: Desired; slot: Slot }): Pod {
  const owner = desired.serving.metadata.ownerReferences?.find(({ kind }) => kind === 'LeaderWorkerSet');
  if (owner === undefined) return pod;
  const prefix = 'leaderworkerset.sigs.k8s.io';
  const lws = {
    [`${prefix}/name`]: owner.name,
    [`${prefix}/group-index`]: String(slot.group),
    [`${prefix}/worker-index`]: String(slot.index),
    [`${prefix}/group-key`]: createHash('sha1').update(groupName(owner.name, slot.group)).digest('hex'),
  };
  return { ...pod, metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, ...lws } } };
}

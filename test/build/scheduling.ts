/** A cluster seen through its API server by tests of schedulers: nodes in leaves, groups of pods, and where they landed. */
import { readFile } from 'node:fs/promises';
import type { Test } from 'tap';
import { parse } from 'yaml';
import type { Node, Pod } from '../../src/api/kube.js';
import { modelServings } from '../../src/api/resources.js';
import type { KubeClient, RawObject } from '../../src/kube/client.js';
import { connectCluster } from '../../src/kube/http-client.js';
import { loadConnection } from '../../src/kube/kubeconfig.js';
import { startReflector } from '../../src/kube/reflector.js';
import { apiVersionOf, crds, namespaces, nodes as nodeKind, pods as podKind } from '../../src/kube/resources.js';
import type { ObjectStore } from '../../src/kube/store.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { groupPod, type PodOptions, plainPod } from './cluster.js';

export interface Scheduling {
  readonly client: KubeClient;
  readonly nodes: ObjectStore<Node>;
  readonly pods: ObjectStore<Pod>;
  /** Resolves with the pods once all of them satisfy the condition. */
  untilPods(namespace: string, names: readonly string[], holds: (pod: Pod) => boolean): Promise<readonly Pod[]>;
  namespace(name: string): Promise<void>;
  create(namespace: string, ...pods: readonly Pod[]): Promise<readonly string[]>;
  /** Removes all pods of a namespace and resolves when none is left. */
  clear(namespace: string): Promise<void>;
}

/** Connects with a kubeconfig and follows nodes and pods; everything ends with the test. */
export async function openScheduling(t: Test, kubeconfig: string): Promise<Scheduling> {
  const end = new AbortController();
  const { signal } = end;
  const client = connectCluster(await loadConnection({ file: kubeconfig, env: {} }), { signal, userAgent: 'test' });
  const nodes = startReflector<Node>(client, nodeKind, { signal, logger: silentLogger });
  const pods = startReflector<Pod>(client, podKind, { signal, logger: silentLogger });
  t.teardown(async () => {
    end.abort();
    await Promise.all([nodes.stopped, pods.stopped]);
    await client[Symbol.asyncDispose]();
  });
  await Promise.all([nodes.synced, pods.synced]);
  return {
    client,
    nodes,
    pods,
    untilPods: (namespace, names, holds) =>
      untilStore(
        pods,
        () => {
          const found = names.flatMap((name) => pods.get(namespace, name) ?? []);
          return found.length === names.length && found.every(holds) ? found : undefined;
        },
        () => JSON.stringify(pods.list().map(({ metadata, spec, status }) => [metadata.name, spec.nodeName, status])),
      ),
    async namespace(name) {
      await client.create<RawObject>(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    },
    async create(namespace, ...given) {
      for (const pod of given) {
        const { uid: _, creationTimestamp: __, ...metadata } = pod.metadata;
        const { status: ___, ...object } = pod;
        await client.create<Pod>(podKind, { ...object, metadata: { ...metadata, namespace } }, { namespace });
      }
      return given.map(({ metadata }) => metadata.name ?? '');
    },
    async clear(namespace) {
      await client.deleteCollection(podKind, { namespace });
      for (const pod of pods.list().filter(({ metadata }) => metadata.namespace === namespace)) {
        // No kubelet confirms the end of a bound pod here.
        await client
          .delete(podKind, { namespace, name: pod.metadata.name ?? '' }, { gracePeriodSeconds: 0 })
          .catch(() => undefined);
      }
      await untilStore(pods, () =>
        pods.list().some(({ metadata }) => metadata.namespace === namespace) ? undefined : true,
      );
    },
  };
}

/** Creates nodes as a kubelet does: with status, and without the taint that admission adds until they are ready. */
export async function createNodes({ client, nodes }: Scheduling, given: readonly Node[]): Promise<void> {
  for (const node of given) {
    const { uid: _, ...metadata } = node.metadata;
    await client.create<Node>(nodeKind, { ...node, metadata });
    await client.patch(nodeKind, { name: metadata.name ?? '' }, 'merge', { spec: { taints: null } });
  }
  await untilStore(
    nodes,
    () =>
      given.every(
        ({ metadata }) =>
          (nodes.get(undefined, metadata.name ?? '')?.spec?.taints ?? []).length === 0 &&
          nodes.get(undefined, metadata.name ?? '') !== undefined,
      ) || undefined,
  );
}

/** Adds the ModelServing CRD and resolves when objects of the kind can be made. */
export async function installModelServings(t: Test, { client }: Scheduling): Promise<void> {
  const text = await readFile(
    new URL('../../../config/crd/modelservings.workload.serving.volcano.sh.yaml', import.meta.url),
    'utf8',
  );
  const end = new AbortController();
  type Crd = RawObject & { status?: { conditions?: readonly { type: string; status: string }[] } };
  const kinds = startReflector<Crd>(client, crds, { signal: end.signal, logger: silentLogger });
  t.teardown(() => end.abort());
  const { metadata } = await client.create<Crd>(crds, parse(text) as Crd);
  await untilStore(kinds, () =>
    kinds
      .get(undefined, metadata.name ?? '')
      ?.status?.conditions?.find(({ type, status }) => type === 'Established' && status === 'True'),
  );
  end.abort();
  await kinds.stopped;
}

/** The ModelServing that `pairs(groups, ...)` are the pods of. Without it nobody can know that a decode follows a prefill. */
export async function createServing(
  { client }: Scheduling,
  namespace: string,
  groups: number,
  { devices = 8, annotations = {} }: { devices?: number; annotations?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const role = (name: string) => ({
    name,
    replicas: 1,
    entryTemplate: { spec: groupPod(name, { devices }).spec },
    workerReplicas: 0,
  });
  await client.create<RawObject>(
    modelServings,
    {
      apiVersion: apiVersionOf(modelServings),
      kind: 'ModelServing',
      metadata: { name: 'llm', namespace, annotations },
      spec: {
        replicas: groups,
        schedulerName: 'default-scheduler',
        template: { roles: [role('prefill'), role('decode')] },
      },
    } as RawObject,
    { namespace },
  );
}

/** Prefill and decode of `count` groups, all prefills before all decodes, so that groups interleave. */
export function pairs(count: number, options: PodOptions): Pod[] {
  const groups = Array.from({ length: count }, (_, group) => group);
  return [
    ...groups.map((group) => groupPod('prefill', { ...options, group })),
    ...groups.map((group) => groupPod('decode', { ...options, group })),
  ];
}

/** How many distinct leaves each group's pods are in: `[1, 1, 2]`. */
export function leavesPerGroup(pods: readonly Pod[]): number[] {
  const leaves = new Map<string, Set<string>>();
  for (const { metadata, spec } of pods) {
    const group = metadata.labels?.['modelserving.volcano.sh/group-name'] ?? '';
    leaves.set(group, (leaves.get(group) ?? new Set()).add(spec.nodeName?.split('-')[0] ?? '?'));
  }
  return [...leaves.values()].map((set) => set.size);
}

export const isBound = ({ spec }: Pod): boolean => spec.nodeName !== undefined;

export { plainPod };

/** Longer than any wait that ends well takes on a loaded machine; shorter than a test's own limit, so that this says what was missing. */
const patience = 90_000;

/** Resolves with the first value that the look gives after a change; rejects with the description when none comes. */
export function untilStore<T extends RawObject, R>(
  store: ObjectStore<T>,
  look: () => R | undefined,
  describe: () => string = () => JSON.stringify(store.list()),
): Promise<R> {
  const first = look();
  if (first !== undefined) return Promise.resolve(first);
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      stop();
      clearTimeout(timer);
      settle();
    };
    const stop = store.subscribe(() => {
      const found = look();
      if (found !== undefined) end(() => resolve(found));
    });
    const timer = setTimeout(
      () => end(() => reject(new Error(`not seen in ${patience / 1000} s; there is ${describe()}`))),
      patience,
    );
  });
}

import type { Node, Pod } from '../src/api/kube.js';
import type { ModelServing } from '../src/api/types.js';
import type { Clock } from '../src/base/clock.js';
import { canonicalJson } from '../src/base/json.js';
import { planAll, type Surroundings } from '../src/core/placement/advice.js';
import { Cluster } from '../src/core/placement/cluster.js';
import type { ClusterPlan } from '../src/core/placement/plan-cluster.js';
import { placementPolicy } from '../src/core/placement/policy.js';
import type { Ladder } from '../src/core/placement/topology.js';
import type { RawObject } from '../src/kube/client.js';
import type { Change, ObjectStore } from '../src/kube/store.js';
import { type Logger, once } from '../src/telemetry/log.js';
import { createExpectations, type Expectations } from './expectations.js';

export interface ViewOptions {
  readonly nodes: ObjectStore<Node>;
  readonly pods: ObjectStore<Pod>;
  /** Absent when ModelServings are not watched: then only the pods that exist are planned, and no hard mode is known. */
  readonly servings?: ObjectStore<ModelServing>;
  readonly ladder: Ladder;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the extender knows, kept current by its stores. */
export interface View {
  readonly expectations: Expectations;
  /** What an answer is made from; `placed` adds what the caller knows of pods that are not bound yet. */
  surroundings(isLate: () => boolean, placed?: ReadonlyMap<string, string>): Surroundings;
  /** The plan of all groups for the present state; made once per state. */
  plan(isLate: () => boolean): ClusterPlan;
  /** undefined when in step with the cluster, else what is missing. */
  notReady(): string | undefined;
  close(): void;
}

export function createView(options: ViewOptions): View {
  const { nodes, pods, servings, clock } = options;
  const cluster = new Cluster(options.ladder);
  const expectations = createExpectations(clock);
  const wanted = followServings(servings, options.logger);
  const unsubscribe = [followNodes(nodes, cluster), followPods(pods, cluster, expectations), wanted.end];
  let cached: { readonly key: string; readonly plan: ClusterPlan } | undefined;
  const surroundings: View['surroundings'] = (isLate, placed = new Map()) => ({
    cluster,
    servings: wanted.servings,
    expected: new Map([...expectations.current(), ...placed]),
    isLate,
  });
  return {
    expectations,
    surroundings,
    plan(isLate) {
      const around = surroundings(isLate);
      const key = [cluster.version, wanted.version(), ...around.expected].join();
      if (cached?.key !== key) cached = { key, plan: planAll(around) };
      return cached.plan;
    },
    notReady() {
      if (!nodes.hasSynced) return 'the list of nodes is not complete yet';
      return pods.hasSynced ? undefined : 'the list of pods is not complete yet';
    },
    close() {
      for (const end of unsubscribe) end();
    },
  };
}

function followNodes(store: ObjectStore<Node>, cluster: Cluster): () => void {
  return follow(store, ({ type, object }) => {
    if (type === 'deleted') cluster.removeNode(object.metadata.name ?? '');
    else cluster.setNode(object);
  });
}

function followPods(store: ObjectStore<Pod>, cluster: Cluster, expectations: Expectations): () => void {
  return follow(store, ({ type, object }) => {
    if (type === 'deleted' || object.spec.nodeName) expectations.forget(object);
    if (type === 'deleted') cluster.removePod(object);
    else cluster.setPod(object);
  });
}

function followServings(store: ObjectStore<ModelServing> | undefined, logger: Logger) {
  const servings = new Map<string, ModelServing>();
  const warn = once(logger);
  let version = 0;
  const onChange = (change: Change<ModelServing>) => {
    const { type, object } = change;
    const key = `${object.metadata.namespace ?? 'default'}/${object.metadata.name ?? ''}`;
    if (change.type !== 'updated' || !sameIntent(change.old, object)) version++;
    if (type === 'deleted') {
      servings.delete(key);
      return;
    }
    servings.set(key, object);
    const { problem } = placementPolicy(object.metadata.annotations);
    if (problem !== undefined) warn(`${key} ${problem}`, problem, { serving: key });
  };
  const end = store === undefined ? () => undefined : follow(store, onChange);
  return { servings, version: () => version, end };
}

/** Tells what a store holds already, then every change; returns the way to stop. */
function follow<T extends RawObject>(store: ObjectStore<T>, listener: (change: Change<T>) => void): () => void {
  for (const object of store.list()) listener({ type: 'added', object });
  return store.subscribe(listener);
}

/** Status moves all the time and places nothing. */
function sameIntent(a: ModelServing, b: ModelServing): boolean {
  const intent = ({ metadata, spec }: ModelServing) =>
    canonicalJson([metadata.annotations, metadata.deletionTimestamp, spec]);
  return intent(a) === intent(b);
}

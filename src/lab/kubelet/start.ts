import type { Node, Pod } from '../../api/kube.js';
import { type Clock, systemClock } from '../../base/clock.js';
import { describeError } from '../../base/errors.js';
import type { Running } from '../../base/running.js';
import { type Amounts, amountsOf, lacking, minus, plus, requestsOf } from '../../core/placement/resources.js';
import type { Profiles } from '../../core/profiles/types.js';
import type { KubeClient } from '../../kube/client.js';
import { createEventRecorder, type EventRecorder } from '../../kube/event-recorder.js';
import { isNotFound } from '../../kube/kube-error.js';
import { type Reflector, startReflector } from '../../kube/reflector.js';
import { nodes as nodeResource, pods as podResource } from '../../kube/resources.js';
import type { Change } from '../../kube/store.js';
import { type Logger, once, silentLogger } from '../../telemetry/log.js';
import { EngineNetwork } from '../engine/network.js';
import type { Timing } from '../engine/options.js';
import type { Engine } from '../engine/start.js';
import { Addresses } from './addresses.js';
import { heartbeat, registerNode } from './nodes.js';
import { PodRun } from './pod-run.js';
import { labScale, type Scale } from './scale.js';

export interface KubeletOptions {
  readonly client: KubeClient;
  /** Node objects with labels and capacity; addresses are given by the kubelet. */
  readonly nodes: readonly Node[];
  readonly profiles: Profiles;
  /** Default: a block of its own, given back on stop. */
  readonly addresses?: Addresses;
  readonly network?: EngineNetwork;
  /** Timing of every engine. */
  readonly timing?: Partial<Timing>;
  readonly scale?: Partial<Scale>;
  /** Milliseconds between renewals of the Ready conditions, which a node controller waits for; default 10 s, 0 for never. */
  readonly heartbeatMs?: number;
  /** Deletes the Node objects on stop: for a cluster that the lab only visits. */
  readonly removeNodesOnStop?: boolean;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** An engine and the pod it runs in. */
export interface RunningEngine {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly podIP: string;
  readonly engine: Engine;
}

export interface Kubelet extends Running {
  readonly network: EngineNetwork;
  /** Engines that run at this moment. */
  engines(): readonly RunningEngine[];
  /** The engine of a pod; undefined while none runs in it. */
  engineOf(namespace: string, name: string): Engine | undefined;
  /** KV blocks that any engine keeps for nobody: 0 when nothing is stranded. */
  blocksHeld(): number;
}

/** One kubelet for all nodes of the lab, against any API server. `ready` resolves when the nodes are registered and the pods are known. */
export async function startKubelet(options: KubeletOptions, signal: AbortSignal): Promise<Kubelet> {
  const addresses = options.addresses ?? (await Addresses.claim());
  const kubelet = new LabKubelet(options, addresses, signal);
  try {
    await kubelet.register();
  } catch (error) {
    await kubelet.stop();
    throw error;
  }
  kubelet.watch();
  return kubelet;
}

class LabKubelet implements Kubelet {
  readonly network: EngineNetwork;
  readonly #options: KubeletOptions;
  readonly #addresses: Addresses;
  readonly #ownsAddresses: boolean;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #events: EventRecorder;
  readonly #announce: ReturnType<typeof once>;
  readonly #stop = new AbortController();
  readonly #hostIPs = new Map<string, string>();
  readonly #runs = new Map<string, PodRun>();
  readonly #endings = new Set<Promise<void>>();
  readonly #outer: AbortSignal;
  #reflector: Reflector<Pod> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: KubeletOptions, addresses: Addresses, signal: AbortSignal) {
    this.#options = options;
    this.#addresses = addresses;
    this.#ownsAddresses = options.addresses === undefined;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.network = options.network ?? new EngineNetwork();
    this.#announce = once(this.#logger);
    const { client } = options;
    this.#events = createEventRecorder({ client, component: 'kubelet', logger: this.#logger, clock: this.#clock });
    for (const [index, node] of options.nodes.entries()) {
      this.#hostIPs.set(node.metadata.name ?? '', addresses.ofNode(index));
    }
    this.#outer = signal;
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  get ready(): Promise<void> {
    return this.#reflector?.synced ?? Promise.resolve();
  }

  async register(): Promise<void> {
    const { client, nodes } = this.#options;
    await Promise.all(nodes.map((node) => registerNode(client, node, this.#hostIP(node), this.#clock)));
  }

  watch(): void {
    const { client, heartbeatMs = 10_000 } = this.#options;
    const reflector = startReflector<Pod>(client, podResource, {
      signal: this.#stop.signal,
      logger: this.#logger,
    });
    this.#reflector = reflector;
    reflector.subscribe((change) => this.#onChange(change));
    if (heartbeatMs > 0) {
      this.#timer = setInterval(() => this.#beat(), heartbeatMs);
      this.#timer.unref();
    }
  }

  engines(): readonly RunningEngine[] {
    return [...this.#runs.values()].flatMap(({ pod, engine, podIP }) => {
      const { namespace = 'default', name = '' } = pod.metadata;
      if (engine === undefined || podIP === undefined) return [];
      return [{ namespace, name, node: pod.spec.nodeName ?? '', podIP, engine }];
    });
  }

  engineOf(namespace: string, name: string): Engine | undefined {
    return this.engines().find((one) => one.namespace === namespace && one.name === name)?.engine;
  }

  blocksHeld(): number {
    return this.engines().reduce((sum, { engine }) => sum + engine.blocksHeld(), 0);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#shut();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  readonly #onAbort = (): void => void this.stop();

  async #shut(): Promise<void> {
    this.#outer.removeEventListener('abort', this.#onAbort);
    clearInterval(this.#timer);
    this.#stop.abort();
    await this.#reflector?.stopped;
    await Promise.all([...this.#runs.values()].map((run) => run.vanish()));
    this.#runs.clear();
    await Promise.allSettled([...this.#endings]);
    await this.#events.flush();
    if (this.#options.removeNodesOnStop) await this.#removeNodes();
    if (this.#ownsAddresses) await this.#addresses[Symbol.asyncDispose]();
  }

  async #removeNodes(): Promise<void> {
    for (const { metadata } of this.#options.nodes) {
      try {
        await this.#options.client.delete(nodeResource, { name: metadata.name ?? '' });
      } catch (error) {
        if (!isNotFound(error)) this.#logger.warn({ node: metadata.name, why: describeError(error) }, 'node is left');
      }
    }
  }

  #beat(): void {
    const { client, nodes } = this.#options;
    for (const node of nodes) {
      heartbeat(client, node, this.#hostIP(node), this.#clock).catch((error: unknown) => {
        this.#logger.warn({ node: node.metadata.name, why: describeError(error) }, 'the heartbeat was not accepted');
      });
    }
  }

  #onChange(change: Change<Pod>): void {
    const { object } = change;
    const uid = object.metadata.uid ?? '';
    if (change.type === 'deleted') {
      const run = this.#runs.get(uid);
      this.#runs.delete(uid);
      if (run) this.#remember(run.vanish());
      return;
    }
    if (change.type === 'updated' && change.old.metadata.uid !== uid) {
      this.#onChange({ type: 'deleted', object: change.old });
    }
    const run = this.#runs.get(uid);
    if (run) run.update(object);
    else this.#begin(object, uid);
  }

  /** Takes up a pod that is bound to one of our nodes. */
  #begin(pod: Pod, uid: string): void {
    const node = this.#options.nodes.find(({ metadata }) => metadata.name === pod.spec.nodeName);
    if (node === undefined) return;
    const run = new PodRun(pod, this.#surroundings(node));
    const isTerminating = pod.metadata.deletionTimestamp !== undefined;
    const isOver = ['Succeeded', 'Failed'].includes(pod.status?.phase ?? '');
    const short = isOver || isTerminating ? [] : this.#shortOf(node, pod);
    this.#runs.set(uid, run);
    if (isTerminating) run.update(pod);
    else if (short.length > 0) {
      const message = `Node didn't have enough resource: ${short.join(', ')}`;
      this.#remember(run.reject(`OutOf${short[0]}`, message));
    } else if (!isOver) run.start();
  }

  /** Resources that the node lacks for this pod, beside those it runs. */
  #shortOf(node: Node, pod: Pod): readonly string[] {
    const one: Amounts = new Map([['pods', 1]]);
    let free = amountsOf(node.status?.allocatable);
    for (const run of this.#runs.values()) {
      if (run.pod.spec.nodeName !== node.metadata.name || !run.holdsResources) continue;
      free = minus(minus(free, requestsOf(run.pod)), one);
    }
    return lacking(plus(requestsOf(pod), one), free);
  }

  #surroundings(node: Node) {
    const { client, profiles, timing = {}, scale } = this.#options;
    return {
      client,
      profiles,
      timing,
      addresses: this.#addresses,
      network: this.network,
      scale: { ...labScale, ...scale },
      clock: this.#clock,
      events: this.#events,
      logger: this.#logger,
      announce: this.#announce,
      hostIP: this.#hostIP(node),
    };
  }

  #hostIP(node: Node): string {
    return this.#hostIPs.get(node.metadata.name ?? '') ?? '127.0.0.1';
  }

  #remember(work: Promise<void>): void {
    this.#endings.add(work);
    void work.finally(() => this.#endings.delete(work));
  }
}

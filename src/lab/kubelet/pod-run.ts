import type { Container, Pod } from '../../api/kube.js';
import type { Clock } from '../../base/clock.js';
import { describeError } from '../../base/errors.js';
import type { Profiles } from '../../core/profiles/types.js';
import { readPod } from '../../core/reading/pod.js';
import type { KubeClient } from '../../kube/client.js';
import type { EventRecorder } from '../../kube/event-recorder.js';
import { isConflict, isNotFound } from '../../kube/kube-error.js';
import { configMaps, pods, secrets } from '../../kube/resources.js';
import type { Logger } from '../../telemetry/log.js';
import type { EngineNetwork } from '../engine/network.js';
import type { Timing } from '../engine/options.js';
import type { Engine } from '../engine/start.js';
import { pause } from '../engine/ticker.js';
import type { Addresses } from './addresses.js';
import { ContainerRun, type ContainerSurroundings, stamp } from './container-run.js';
import { startEngineProcess } from './engine-process.js';
import { referencesOf, resolveContainer } from './environment.js';
import { startPlainProcess } from './plain-process.js';
import { podStatus } from './pod-status.js';
import type { Process } from './process.js';
import type { Scale } from './scale.js';

export interface PodSurroundings {
  readonly client: KubeClient;
  readonly profiles: Profiles;
  readonly addresses: Addresses;
  readonly network: EngineNetwork;
  readonly timing: Partial<Timing>;
  readonly scale: Scale;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly logger: Logger;
  readonly announce: (key: string, message: string, fields?: Record<string, unknown>) => void;
  readonly hostIP: string;
}

/** One pod on one of the lab's nodes, from the moment it is bound until its object is gone. */
export class PodRun {
  pod: Pod;
  readonly #around: PodSurroundings;
  /** Nothing runs and no status is written any more. */
  readonly #gone = new AbortController();
  /** Not even the object is owed to anybody: it is gone, or the kubelet is. */
  readonly #dropped = new AbortController();
  readonly #startTime: string;
  readonly #hidden: string[] = [];
  readonly #values = new Map<string, Readonly<Record<string, string>>>();
  #podIP: string | undefined;
  #init: ContainerRun[] = [];
  #containers: ContainerRun[] = [];
  #isInitialized = false;
  #isOver = false;
  #work: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #isDirty = false;
  #written = '';

  constructor(pod: Pod, around: PodSurroundings) {
    this.pod = pod;
    this.#around = around;
    this.#startTime = (pod.status?.['startTime'] as string | undefined) ?? stamp(around.clock);
  }

  get podIP(): string | undefined {
    return this.#podIP;
  }

  /** The simulated engine of the pod, while one runs. */
  get engine(): Engine | undefined {
    return this.#containers.map(({ process }) => process?.engine).find((engine) => engine !== undefined);
  }

  /** False once the pod needs nothing of its node any more. */
  get holdsResources(): boolean {
    return !this.#isOver && !this.#gone.signal.aborted;
  }

  start(): void {
    this.#work ??= this.#live().catch((error: unknown) => {
      this.#around.logger.error({ err: error, pod: this.pod.metadata.name }, 'the pod could not be run');
    });
  }

  /** A newer object of the same pod. */
  update(pod: Pod): void {
    this.pod = pod;
    if (pod.metadata.deletionTimestamp !== undefined) this.#ending ??= this.#terminate();
  }

  /** Refuses the pod as a kubelet does that finds no room for it. */
  async reject(reason: string, message: string): Promise<void> {
    this.#isOver = true;
    this.#event('Warning', reason, message);
    await this.#send({ phase: 'Failed', reason, message, startTime: this.#startTime });
  }

  /** The object is gone, or the kubelet stops: everything ends at once and nothing is written. */
  async vanish(): Promise<void> {
    this.#gone.abort();
    this.#dropped.abort();
    await Promise.all([...this.#init, ...this.#containers].map((run) => run.kill()));
    await this.#work;
    await this.#ending;
    this.#giveAddresses();
  }

  async #live(): Promise<void> {
    const { spec } = this.pod;
    const { addresses, hostIP } = this.#around;
    this.#podIP = spec.hostNetwork === true ? hostIP : addresses.take();
    const policy = (spec.restartPolicy ?? 'Always') as ContainerSurroundings['restartPolicy'];
    this.#init = (spec.initContainers ?? []).map((container) => this.#runOf(container, 'OnFailure', true));
    this.#containers = spec.containers.map((container) => this.#runOf(container, policy, false));
    this.#changed();
    await this.#readReferences();
    if (!(await this.#initialize())) return;
    this.#isInitialized = true;
    await Promise.all(this.#containers.map((run) => run.run()));
    this.#isOver = true;
    this.#changed();
  }

  /** Init containers in turn; one with restartPolicy Always stays beside the others. False when the pod ended before. */
  async #initialize(): Promise<boolean> {
    for (const run of this.#init) {
      const work = run.run();
      if (run.container.restartPolicy !== 'Always') await work;
      if (this.#gone.signal.aborted || this.#ending !== undefined) return false;
    }
    return true;
  }

  #runOf(container: Container, restartPolicy: ContainerSurroundings['restartPolicy'], isInit: boolean): ContainerRun {
    const { scale, clock, hostIP } = this.#around;
    const podIP = this.#podIP ?? '';
    const lookup = (kind: string, name: string, key: string) => this.#values.get(`${kind}/${name}`)?.[key];
    return new ContainerRun(container, {
      podIP,
      restartPolicy: container.restartPolicy === 'Always' ? 'Always' : restartPolicy,
      scale,
      clock,
      resolve: () => resolveContainer(this.pod, container, { podIP, hostIP, lookup }),
      start: (resolved) => this.#process(resolved, podIP, isInit && container.restartPolicy !== 'Always'),
      changed: () => this.#changed(),
      event: (type, reason, message) => this.#event(type, reason, message),
    });
  }

  async #process(container: Container, podIP: string, isInit: boolean): Promise<Process> {
    if (isInit) return initProcess(this.#around.scale.initMs);
    // Read with this container alone and its environment filled in: the engine sees values, not references.
    const reading = readPod(
      { ...this.pod, spec: { ...this.pod.spec, containers: [container] } },
      this.#around.profiles,
    );
    if (!reading || reading.engine.args.has('headless')) return startPlainProcess(container, podIP);
    const { network, timing, scale, logger, announce } = this.#around;
    return startEngineProcess(this.pod, reading, {
      podIP,
      network,
      timing,
      loadMs: scale.loadMs,
      logger,
      announce,
      hiddenAddress: () => this.#hide(),
    });
  }

  #hide(): string {
    const address = this.#around.addresses.take();
    this.#hidden.push(address);
    return address;
  }

  async #readReferences(): Promise<void> {
    const { namespace = 'default' } = this.pod.metadata;
    for (const { kind, name } of referencesOf(this.pod)) {
      const resource = kind === 'secret' ? secrets : configMaps;
      try {
        const object = await this.#around.client.get(resource, { namespace, name });
        const data = (object as { data?: Record<string, string> }).data ?? {};
        const text = (value: string) => (kind === 'secret' ? Buffer.from(value, 'base64').toString('utf8') : value);
        this.#values.set(`${kind}/${name}`, Object.fromEntries(Object.entries(data).map(([k, v]) => [k, text(v)])));
      } catch (error) {
        // The container then waits with CreateContainerConfigError, which names what is missing.
        if (!isNotFound(error)) this.#around.logger.warn({ kind, name, why: describeError(error) }, 'cannot read it');
      }
    }
  }

  /** Ends the pod as its deletion asks, then removes the object, which only the kubelet may do. */
  async #terminate(): Promise<void> {
    const { metadata, spec } = this.pod;
    const grace = metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30;
    const graceMs = grace * this.#around.scale.graceSecondMs;
    await Promise.all([...this.#containers, ...this.#init].map((run) => run.stop(graceMs)));
    await this.#work;
    this.#isOver = true;
    this.#changed();
    await this.#syncing;
    this.#gone.abort();
    this.#giveAddresses();
    await this.#removeObject();
  }

  async #removeObject(): Promise<void> {
    const { namespace = 'default', name = '', uid } = this.pod.metadata;
    const options = { gracePeriodSeconds: 0, ...(uid !== undefined && { uid }) };
    for (let attempt = 0; !this.#dropped.signal.aborted; attempt += 1) {
      try {
        await this.#around.client.delete(pods, { namespace, name }, options);
        return;
      } catch (error) {
        if (isNotFound(error) || isConflict(error) || this.#dropped.signal.aborted) return;
        this.#around.logger.warn({ pod: name, why: describeError(error), attempt }, 'the pod could not be removed yet');
        await pause(Math.min(200 * 2 ** attempt, 5000), this.#dropped.signal);
      }
    }
  }

  #giveAddresses(): void {
    const own = this.pod.spec.hostNetwork === true ? [] : [this.#podIP];
    for (const address of [...own, ...this.#hidden.splice(0)]) if (address) this.#around.addresses.give(address);
    if (this.pod.spec.hostNetwork !== true) this.#podIP = undefined;
  }

  /** Writes the status soon; changes that come meanwhile are written together. */
  #changed(): void {
    this.#isDirty = true;
    this.#syncing ??= this.#sync().finally(() => {
      this.#syncing = undefined;
    });
  }

  async #sync(): Promise<void> {
    await Promise.resolve();
    while (this.#isDirty && !this.#gone.signal.aborted) {
      this.#isDirty = false;
      const status = podStatus({
        pod: this.pod,
        podIP: this.#podIP,
        hostIP: this.#around.hostIP,
        startTime: this.#startTime,
        init: this.#init,
        containers: this.#containers,
        isInitialized: this.#isInitialized,
        isOver: this.#isOver,
        now: stamp(this.#around.clock),
      });
      const text = JSON.stringify(status);
      if (text === this.#written) continue;
      if (await this.#send(status)) this.#written = text;
      else {
        this.#isDirty = !this.#gone.signal.aborted;
        await pause(200, this.#gone.signal);
      }
    }
  }

  /** False when it should be tried again. */
  async #send(status: Readonly<Record<string, unknown>>): Promise<boolean> {
    const { namespace = 'default', name = '', uid } = this.pod.metadata;
    try {
      const where = { namespace, name, subresource: 'status' };
      const written = await this.#around.client.patch<Pod>(pods, where, 'strategic', {
        metadata: { uid },
        status,
      });
      this.pod = { ...this.pod, ...(written.status && { status: written.status }) };
      return true;
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return true;
      this.#around.logger.warn({ pod: name, why: describeError(error) }, 'the pod status could not be written yet');
      return false;
    }
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { namespace = 'default', name = '', uid = '' } = this.pod.metadata;
    this.#around.events.record({ apiVersion: 'v1', kind: 'Pod', namespace, name, uid }, { type, reason, message });
  }
}

/** An init container downloads nothing here: it takes a moment and succeeds. */
function initProcess(ms: number): Process {
  const stop = new AbortController();
  const exited = pause(ms, stop.signal).then(() => ({ code: 0, reason: 'Completed' }));
  const end = () => {
    stop.abort();
    return Promise.resolve();
  };
  return { exited, isIdle: true, engine: undefined, terminate: end, kill: end };
}

import type { Container, LifecycleHandler } from '../../api/kube.js';
import type { Clock } from '../../base/clock.js';
import { pause } from '../engine/ticker.js';
import type { Resolved } from './environment.js';
import { httpGet } from './probe.js';
import { type ProbeKind, type ProbeListener, runProbes } from './prober.js';
import type { Process, ProcessExit } from './process.js';
import type { Scale } from './scale.js';

export type ContainerState =
  | { readonly is: 'waiting'; readonly reason: string; readonly message?: string }
  | { readonly is: 'running'; readonly startedAt: string }
  | {
      readonly is: 'terminated';
      readonly exitCode: number;
      readonly reason: string;
      readonly message: string | undefined;
      readonly startedAt: string;
      readonly finishedAt: string;
    };

export interface ContainerSurroundings {
  readonly podIP: string;
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never';
  readonly scale: Scale;
  readonly clock: Clock;
  /** The container as its process sees it, or why it cannot start. */
  readonly resolve: () => Resolved;
  readonly start: (container: Container) => Promise<Process>;
  /** Called after every change of what the status shows. */
  readonly changed: () => void;
  readonly event: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
}

/** How often a drain hook asks whether the engine is idle, and for how long it must have been. Milliseconds. */
const drainPollMs = 20;
const drainQuietMs = 100;

/** One container of a pod from its first start to its last end: probes, restarts with back-off, preStop. */
export class ContainerRun implements ProbeListener {
  readonly container: Container;
  state: ContainerState = { is: 'waiting', reason: 'PodInitializing' };
  lastState: ContainerState | undefined;
  restartCount = 0;
  started = false;
  ready = false;
  process: Process | undefined;
  readonly #around: ContainerSurroundings;
  readonly #stopping = new AbortController();
  #probes = new AbortController();
  #killedByProbe = false;

  constructor(container: Container, around: ContainerSurroundings) {
    this.container = container;
    this.#around = around;
  }

  /** Starts the container again and again as the restart policy says; resolves when it will not start any more. */
  async run(): Promise<void> {
    for (let attempt = 0; !this.#stopping.signal.aborted; attempt += 1) {
      const process = await this.#start();
      if (process === undefined) continue;
      const exit = await process.exited;
      this.#probes.abort();
      this.#ended(exit);
      if (this.#stopping.signal.aborted || !this.#restarts(exit)) return;
      await this.#backOff(attempt);
    }
  }

  /** Ends the container within `graceMs`: preStop, SIGTERM, SIGKILL. */
  async stop(graceMs: number): Promise<void> {
    const deadline = this.#around.clock.now() + graceMs;
    const { process } = this;
    if (process && this.state.is === 'running') {
      this.#around.event('Normal', 'Killing', `Stopping container ${this.container.name}`);
      const hook = this.container.lifecycle?.preStop;
      const limit = new AbortController();
      this.#stopping.signal.addEventListener('abort', () => limit.abort(), { once: true });
      if (hook) await Promise.race([this.#preStop(hook, process, limit.signal), pause(graceMs, limit.signal)]);
      limit.abort();
    }
    this.#stopping.abort();
    this.#probes.abort();
    if (!process) return;
    const left = new AbortController();
    const rest = pause(Math.max(50, deadline - this.#around.clock.now()), left.signal).then(() => 'late' as const);
    const how = await Promise.race([process.terminate(), rest]);
    left.abort();
    if (how === 'late') await process.kill();
  }

  /** The pod is gone from the API: nothing is owed to anybody. */
  async kill(): Promise<void> {
    this.#stopping.abort();
    this.#probes.abort();
    await this.process?.kill();
  }

  settled(kind: ProbeKind, ok: boolean): void {
    if (kind === 'Startup' && ok) this.started = true;
    if (kind === 'Readiness') this.ready = ok;
    if (kind !== 'Readiness' && !ok) {
      this.#killedByProbe = true;
      const { event } = this.#around;
      event(
        'Normal',
        'Killing',
        `Container ${this.container.name} failed ${kind.toLowerCase()} probe, will be restarted`,
      );
      void this.process?.terminate();
    }
    this.#around.changed();
  }

  failed(kind: ProbeKind, message: string): void {
    this.#around.event('Warning', 'Unhealthy', `${kind} probe failed: ${message}`);
  }

  async #start(): Promise<Process | undefined> {
    const { resolve, start, event, clock, scale, podIP } = this.#around;
    const resolved = resolve();
    if (!resolved.ok) {
      this.#to({ is: 'waiting', reason: 'CreateContainerConfigError', message: resolved.message });
      event('Warning', 'Failed', `Error: ${resolved.message}`);
      await pause(5 * scale.probeSecondMs, this.#stopping.signal);
      return undefined;
    }
    const { name, image } = this.container;
    event('Normal', 'Pulled', `Container image "${image ?? ''}" already present on machine`);
    event('Normal', 'Created', `Created container: ${name}`);
    const process = await start(resolved.container);
    this.process = process;
    this.#killedByProbe = false;
    this.#probes = new AbortController();
    this.#to({ is: 'running', startedAt: stamp(clock) });
    event('Normal', 'Started', `Started container ${name}`);
    // Told to stop while it was starting: nobody else knows this process yet.
    if (this.#stopping.signal.aborted) await process.kill();
    else void runProbes(this.container, podIP, scale, this, this.#probes.signal);
    return process;
  }

  #ended({ code, reason, message }: ProcessExit): void {
    const startedAt = this.state.is === 'running' ? this.state.startedAt : stamp(this.#around.clock);
    const exitCode = this.#killedByProbe && code === 0 ? 137 : code;
    this.started = false;
    this.ready = false;
    this.#to({
      is: 'terminated',
      exitCode,
      reason: exitCode === 0 ? reason : 'Error',
      message,
      startedAt,
      finishedAt: stamp(this.#around.clock),
    });
  }

  #restarts({ code }: ProcessExit): boolean {
    const { restartPolicy } = this.#around;
    return restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && (code !== 0 || this.#killedByProbe));
  }

  /** The first restart is immediate, later ones wait 10 s, 20 s, ... 300 s (scaled), as a kubelet does. */
  async #backOff(attempt: number): Promise<void> {
    this.lastState = this.state;
    if (attempt > 0) {
      const seconds = Math.min(10 * 2 ** (attempt - 1), 300);
      const message = `back-off ${seconds}s restarting failed container=${this.container.name}`;
      this.#to({ is: 'waiting', reason: 'CrashLoopBackOff', message });
      this.#around.event('Warning', 'BackOff', `Back-off restarting failed container ${this.container.name}`);
      await pause(seconds * this.#around.scale.probeSecondMs, this.#stopping.signal);
    }
    this.restartCount += 1;
  }

  async #preStop(hook: LifecycleHandler, process: Process, signal: AbortSignal): Promise<void> {
    const { scale, podIP, event } = this.#around;
    if (hook.httpGet) {
      const { ok, message } = await httpGet(hook.httpGet, this.container, podIP, 30_000);
      if (!ok) event('Warning', 'FailedPreStopHook', message);
      return;
    }
    const asleep = hook.sleep?.seconds ?? sleepIn(hook.exec?.command);
    if (asleep !== undefined) await pause(asleep * scale.graceSecondMs, signal);
    else await idle(process, signal);
  }

  #to(state: ContainerState): void {
    this.state = state;
    this.#around.changed();
  }
}

/** A hook that is a command cannot run here; what our own drain hook waits for is asked of the engine itself. */
async function idle(process: Process, signal: AbortSignal): Promise<void> {
  for (let quiet = 0; quiet < drainQuietMs && !signal.aborted; quiet = process.isIdle ? quiet + drainPollMs : 0) {
    await pause(drainPollMs, signal);
  }
}

/** Seconds of a command that only sleeps: `sleep 15`, also inside `sh -c`. */
function sleepIn(command: readonly string[] | undefined): number | undefined {
  const seconds = /^(?:\/bin\/)?sleep (\d+(?:\.\d+)?)s?$/.exec((command ?? []).slice(-2).join(' '))?.[1];
  const inShell = /^(?:\/bin\/)?sleep (\d+(?:\.\d+)?)s?$/.exec(command?.at(-1)?.trim() ?? '')?.[1];
  const found = seconds ?? inShell;
  return found === undefined ? undefined : Number(found);
}

/** Kubernetes times have whole seconds. */
export const stamp = (clock: Clock): string => `${new Date(clock.now()).toISOString().slice(0, 19)}Z`;

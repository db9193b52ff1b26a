import { createHash } from 'node:crypto';
import type { Condition, Pod } from '../../api/kube.js';
import { isObject } from '../../base/json.js';
import type { ContainerRun, ContainerState } from './container-run.js';

/** What the kubelet knows of a pod: input of its status. */
export interface PodFactsForStatus {
  readonly pod: Pod;
  readonly podIP: string | undefined;
  readonly hostIP: string;
  readonly startTime: string;
  readonly init: readonly ContainerRun[];
  readonly containers: readonly ContainerRun[];
  readonly isInitialized: boolean;
  /** All containers have ended for good. */
  readonly isOver: boolean;
  /** The time that a condition which changes gets. */
  readonly now: string;
}

/** `status` as a kubelet writes it; equal input gives equal output, so that an unchanged status is not sent. */
export function podStatus(facts: PodFactsForStatus): Record<string, unknown> {
  const { podIP, hostIP } = facts;
  return {
    phase: phaseOf(facts),
    hostIP,
    hostIPs: [{ ip: hostIP }],
    ...(podIP !== undefined && { podIP, podIPs: [{ ip: podIP }] }),
    startTime: facts.startTime,
    qosClass: qosClass(facts.pod),
    conditions: conditionsOf(facts),
    ...(facts.init.length > 0 && { initContainerStatuses: facts.init.map((run) => initStatus(run, facts.pod)) }),
    containerStatuses: facts.containers.map((run) => containerStatus(run, facts.pod)),
  };
}

function phaseOf({ containers, isOver, isInitialized, init }: PodFactsForStatus): string {
  if (isOver) {
    const all = [...init, ...containers];
    const failed = all.some(({ state }) => state.is === 'terminated' && state.exitCode !== 0);
    return failed ? 'Failed' : 'Succeeded';
  }
  const hasRun = containers.every(({ state, lastState }) => state.is !== 'waiting' || lastState !== undefined);
  return isInitialized && hasRun ? 'Running' : 'Pending';
}

function conditionsOf(facts: PodFactsForStatus): readonly Condition[] {
  const { pod, containers, podIP, isInitialized, init } = facts;
  const unready = containers.filter(({ ready }) => !ready).map(({ container }) => container.name);
  const notReady =
    facts.isOver && phaseOf(facts) === 'Succeeded'
      ? { reason: 'PodCompleted', message: 'all containers have ended successfully' }
      : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  const isReady = unready.length === 0 && isInitialized && !facts.isOver;
  const waiting = init.filter(({ state }) => state.is !== 'terminated').map(({ container }) => container.name);
  const notInitialized = {
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${waiting.join(' ')}]`,
  };
  const gates = gatesMissing(pod);
  const gated = {
    reason: 'ReadinessGatesNotReady',
    message: `corresponding condition of pod readiness gate "${gates[0]}" does not exist.`,
  };
  const make = (type: string, holds: boolean, why: { reason: string; message: string }): Condition => {
    const status = holds ? 'True' : 'False';
    const old = pod.status?.conditions?.find((condition) => condition.type === type);
    const lastTransitionTime = old?.status === status && old.lastTransitionTime ? old.lastTransitionTime : facts.now;
    return { type, status, lastTransitionTime, ...(!holds && why) };
  };
  const sandbox = { reason: 'PodNotReady', message: 'the pod has no address yet' };
  return [
    make('PodReadyToStartContainers', podIP !== undefined && !facts.isOver, sandbox),
    make('Initialized', isInitialized, notInitialized),
    make('Ready', isReady && gates.length === 0, isReady ? gated : notReady),
    make('ContainersReady', isReady, notReady),
    make('PodScheduled', true, sandbox),
  ];
}

/** Readiness gates whose condition is not True on the pod. */
function gatesMissing(pod: Pod): readonly string[] {
  const gates = pod.spec['readinessGates'];
  if (!Array.isArray(gates)) return [];
  const types = gates.filter(isObject).map((gate) => String(gate['conditionType']));
  return types.filter((type) => !pod.status?.conditions?.some((c) => c.type === type && c.status === 'True'));
}

/** An init container counts as ready once it has done its work. */
function initStatus(run: ContainerRun, pod: Pod): Record<string, unknown> {
  const isDone = run.state.is === 'terminated' && run.state.exitCode === 0;
  return { ...containerStatus(run, pod), ready: isDone || run.ready };
}

function containerStatus(run: ContainerRun, pod: Pod): Record<string, unknown> {
  const { name, image = '' } = run.container;
  const id = createHash('sha256').update(`${pod.metadata.uid}/${name}/${run.restartCount}`).digest('hex');
  const containerID = run.state.is === 'waiting' ? undefined : `tandem-lab://${id}`;
  return {
    name,
    image,
    imageID: image === '' ? '' : `lab/${createHash('sha256').update(image).digest('hex').slice(0, 16)}`,
    ...(containerID !== undefined && { containerID }),
    restartCount: run.restartCount,
    ready: run.ready,
    started: run.started,
    state: stateOf(run.state, containerID),
    ...(run.lastState && { lastState: stateOf(run.lastState, undefined) }),
  };
}

function stateOf(state: ContainerState, containerID: string | undefined): Record<string, unknown> {
  switch (state.is) {
    case 'waiting':
      return { waiting: { reason: state.reason, ...(state.message !== undefined && { message: state.message }) } };
    case 'running':
      return { running: { startedAt: state.startedAt } };
    case 'terminated': {
      const { exitCode, reason, message, startedAt, finishedAt } = state;
      const known = { ...(message !== undefined && { message }), ...(containerID !== undefined && { containerID }) };
      return { terminated: { exitCode, reason, startedAt, finishedAt, ...known } };
    }
  }
}

/** Guaranteed, Burstable or BestEffort, by cpu and memory alone. */
function qosClass(pod: Pod): string {
  const lists = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map(({ resources }) => resources ?? {});
  const names = ['cpu', 'memory'];
  const given = lists.some(({ limits, requests }) =>
    names.some((n) => limits?.[n] !== undefined || requests?.[n] !== undefined),
  );
  if (!given) return 'BestEffort';
  const equal = lists.every(({ limits, requests }) =>
    names.every((n) => limits?.[n] !== undefined && (requests?.[n] === undefined || requests[n] === limits[n])),
  );
  return equal ? 'Guaranteed' : 'Burstable';
}

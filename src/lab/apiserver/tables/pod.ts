/** Pods as kubectl shows them: `printPod` of `pkg/printers/internalversion/printers.go`. */
import { at, type Dict, dictOf, isDict, listOf, numberOf, type Obj, textOf } from '../object.js';
import { age } from './duration.js';
import { ageColumn, nameColumn, type Printer, text } from './printer.js';

export const podPrinter: Printer = {
  columns: [
    nameColumn,
    text('Ready'),
    text('Status'),
    text('Restarts'),
    ageColumn,
    text('IP', 1),
    text('Node', 1),
    text('Nominated Node', 1),
    text('Readiness Gates', 1),
  ],
  cells(pod, now) {
    const containers = listOf(at(pod, 'spec', 'containers'));
    const { reason, ready, restarts, lastRestart } = summarise(pod);
    const restarted =
      restarts > 0 && lastRestart !== '' ? `${restarts} (${age(lastRestart, now)} ago)` : String(restarts);
    return [
      pod.metadata.name,
      `${ready}/${containers.length + sidecars(pod).size}`,
      reason,
      restarted,
      age(pod.metadata.creationTimestamp, now),
      orNone(at(pod, 'status', 'podIP')),
      orNone(at(pod, 'spec', 'nodeName')),
      orNone(at(pod, 'status', 'nominatedNodeName')),
      readinessGates(pod),
    ];
  },
};

const orNone = (value: unknown): string => textOf(value) || '<none>';
const statuses = (pod: Obj, member: string): Dict[] => listOf(dictOf(pod['status'])[member]).filter(isDict);
const conditions = (pod: Obj): Dict[] => statuses(pod, 'conditions');

function sidecars(pod: Obj): ReadonlySet<string> {
  const init = listOf(at(pod, 'spec', 'initContainers')).filter(isDict);
  return new Set(init.filter((container) => container['restartPolicy'] === 'Always').map(({ name }) => textOf(name)));
}

interface Summary {
  reason: string;
  ready: number;
  restarts: number;
  lastRestart: string;
}

function summarise(pod: Obj): Summary {
  const status = dictOf(pod['status']);
  const isGated = conditions(pod).some(({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated');
  const start = isGated ? 'SchedulingGated' : textOf(status['reason']) || textOf(status['phase']);
  const initial = initializing(pod, start);
  const isInitialized = conditions(pod).some(({ type, status }) => type === 'Initialized' && status === 'True');
  const summary = initial.isWaiting && !isInitialized ? initial.summary : running(pod, initial.summary, start);
  const isOver = ['Succeeded', 'Failed'].includes(textOf(status['phase']));
  if (pod.metadata.deletionTimestamp === undefined) return summary;
  if (status['reason'] === 'NodeLost') return { ...summary, reason: 'Unknown' };
  return isOver ? summary : { ...summary, reason: 'Terminating' };
}

function initializing(pod: Obj, reason: string): { summary: Summary; isWaiting: boolean } {
  const summary: Summary = { reason, ready: 0, restarts: 0, lastRestart: '' };
  const total = listOf(at(pod, 'spec', 'initContainers')).length;
  for (const [index, status] of statuses(pod, 'initContainerStatuses').entries()) {
    countRestarts(summary, status);
    const state = dictOf(status['state']);
    const ended = state['terminated'];
    if (isDict(ended) && ended['exitCode'] === 0) continue;
    if (sidecars(pod).has(textOf(status['name'])) && status['started'] === true) {
      if (status['ready'] === true) summary.ready++;
      continue;
    }
    return { summary: { ...summary, reason: initReason(state, index, total) }, isWaiting: true };
  }
  return { summary, isWaiting: false };
}

function initReason(state: Dict, index: number, total: number): string {
  const waiting = textOf(dictOf(state['waiting'])['reason']);
  if (isDict(state['terminated'])) return `Init:${endReason(state['terminated'])}`;
  if (waiting !== '' && waiting !== 'PodInitializing') return `Init:${waiting}`;
  return `Init:${index}/${total}`;
}

function endReason(ended: Dict): string {
  const reason = textOf(ended['reason']);
  if (reason !== '') return reason;
  const signal = numberOf(ended['signal']) ?? 0;
  return signal === 0 ? `ExitCode:${numberOf(ended['exitCode']) ?? 0}` : `Signal:${signal}`;
}

function running(pod: Obj, initial: Summary, start: string): Summary {
  const summary = { ...initial, reason: start, restarts: 0, lastRestart: '' };
  let hasRunning = false;
  let errorReason = '';
  for (const status of statuses(pod, 'containerStatuses').reverse()) {
    countRestarts(summary, status);
    const state = dictOf(status['state']);
    const waiting = textOf(dictOf(state['waiting'])['reason']);
    const ended = state['terminated'];
    if (waiting !== '') summary.reason = waiting;
    else if (isDict(ended)) {
      summary.reason = endReason(ended);
      if (numberOf(ended['exitCode']) !== 0) errorReason = summary.reason;
    } else if (status['ready'] === true && isDict(state['running'])) {
      hasRunning = true;
      summary.ready++;
    }
  }
  return summary.reason === 'Completed' ? { ...summary, reason: completed(pod, hasRunning, errorReason) } : summary;
}

function completed(pod: Obj, hasRunning: boolean, errorReason: string): string {
  const isReady = conditions(pod).some(({ type, status }) => type === 'Ready' && status === 'True');
  if (hasRunning && isReady) return 'Running';
  if (errorReason !== '') return errorReason;
  return hasRunning ? 'NotReady' : 'Completed';
}

function countRestarts(summary: Summary, status: Dict): void {
  summary.restarts += numberOf(status['restartCount']) ?? 0;
  const finished = textOf(at(status, 'lastState', 'terminated', 'finishedAt'));
  if (finished > summary.lastRestart) summary.lastRestart = finished;
}

function readinessGates(pod: Obj): string {
  const gates = listOf(at(pod, 'spec', 'readinessGates')).filter(isDict);
  if (gates.length === 0) return '<none>';
  const met = gates.filter(({ conditionType }) =>
    conditions(pod).some(({ type, status }) => type === conditionType && status === 'True'),
  );
  return `${met.length}/${gates.length}`;
}

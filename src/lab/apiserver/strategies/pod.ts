/** Pods: defaults, validation, what an update may change, and how long a deletion waits for the kubelet. */
import { type FieldError, forbidden } from '../field-error.js';
import { at, clone, type Dict, dictOf, isDict, listOf, numberOf, type Obj, same, textOf } from '../object.js';
import type { Strategy } from '../resource-type.js';
import { containersOf, podAdmissionDefaults, podDefaults } from './pod-defaults.js';
import { podErrors } from './pod-validation.js';

export const podStrategy: Strategy = {
  allowUnconditionalUpdate: true,
  generation: true,
  defaults: podDefaults,
  admit: podAdmissionDefaults,
  prepareCreate(pod, now) {
    pod['status'] = { phase: 'Pending', qosClass: qosClass(pod) };
    if (listOf(at(pod, 'spec', 'schedulingGates')).length > 0) {
      dictOf(pod['status'])['conditions'] = [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'SchedulingGated',
          message: 'Scheduling is blocked due to non-empty scheduling gates',
          lastProbeTime: null,
          lastTransitionTime: now,
        },
      ];
    }
  },
  validate: (pod, old) => [...podErrors(pod), ...(old === undefined ? [] : updateErrors(pod, old))],
  fields: (pod) => ({
    'spec.nodeName': textOf(at(pod, 'spec', 'nodeName')),
    'spec.restartPolicy': textOf(at(pod, 'spec', 'restartPolicy')),
    'spec.schedulerName': textOf(at(pod, 'spec', 'schedulerName')),
    'spec.serviceAccountName': textOf(at(pod, 'spec', 'serviceAccountName')),
    'spec.hostNetwork': String(at(pod, 'spec', 'hostNetwork') === true),
    'status.phase': textOf(at(pod, 'status', 'phase')),
    'status.podIP': textOf(at(pod, 'status', 'podIP')),
    'status.nominatedNodeName': textOf(at(pod, 'status', 'nominatedNodeName')),
  }),
  gracePeriod(pod, asked) {
    const isBound = textOf(at(pod, 'spec', 'nodeName')) !== '';
    const isOver = ['Succeeded', 'Failed'].includes(textOf(at(pod, 'status', 'phase')));
    if (!isBound || isOver) return 0;
    const seconds = asked ?? numberOf(at(pod, 'spec', 'terminationGracePeriodSeconds')) ?? 30;
    // A negative grace period is read as the shortest one.
    return seconds < 0 ? 1 : seconds;
  },
};

function qosClass(pod: Obj): string {
  const compute = ['cpu', 'memory'];
  const containers = containersOf(dictOf(pod['spec']));
  const amounts = containers.map((container) => dictOf(container['resources']));
  const has = (list: unknown) => compute.some((name) => dictOf(list)[name] !== undefined);
  if (!amounts.some(({ limits, requests }) => has(limits) || has(requests))) return 'BestEffort';
  const isGuaranteed = amounts.every(({ limits, requests }) =>
    compute.every((name) => dictOf(limits)[name] !== undefined && dictOf(limits)[name] === dictOf(requests)[name]),
  );
  return isGuaranteed ? 'Guaranteed' : 'Burstable';
}

const immutable =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

function updateErrors(pod: Obj, old: Obj): FieldError[] {
  const errors: FieldError[] = [];
  const [before, after] = [dictOf(old['spec']), dictOf(pod['spec'])];
  const gates = new Set(listOf(before['schedulingGates']).map((gate) => textOf(dictOf(gate)['name'])));
  if (listOf(after['schedulingGates']).some((gate) => !gates.has(textOf(dictOf(gate)['name'])))) {
    errors.push(forbidden('spec.schedulingGates', 'only deletion is allowed'));
  }
  const kept = listOf(before['tolerations']).every((old) => listOf(after['tolerations']).some((now) => same(old, now)));
  if (!kept) {
    errors.push(forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'));
  }
  if (!same(mutableAway(before, gates.size > 0), mutableAway(after, gates.size > 0))) {
    errors.push(forbidden('spec', immutable));
  }
  return errors;
}

/** The spec without what an update may change. A gated pod may still narrow where it goes. */
function mutableAway(spec: Dict, isGated: boolean): Dict {
  const rest = clone(spec);
  for (const container of containersOf(rest)) container['image'] = undefined;
  for (const member of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates']) rest[member] = undefined;
  if (isGated) {
    rest['nodeSelector'] = undefined;
    if (isDict(rest['affinity'])) rest['affinity'] = { ...rest['affinity'], nodeAffinity: undefined };
    if (Object.values(dictOf(rest['affinity'])).every((value) => value === undefined)) rest['affinity'] = undefined;
  }
  return rest;
}

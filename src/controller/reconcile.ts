/** One round for one ModelServing: observe, plan, perform, tell. */
import type { Clock } from '../base/clock.js';
import { budgetOf, type Desired, desiredOf } from '../core/rollout/desired.js';
import { type Observed, readObserved } from '../core/rollout/observed.js';
import { planRollout } from '../core/rollout/plan.js';
import { unknownPlugins } from '../core/rollout/plugins.js';
import { type Refusal, statusOf } from '../core/rollout/status.js';
import type { Step } from '../core/rollout/step.js';
import type { KubeClient } from '../kube/client.js';
import type { EventRecorder } from '../kube/event-recorder.js';
import type { Announcer } from './announce.js';
import type { ControllerMetrics } from './controller-metrics.js';
import type { ExecuteContext } from './execution.js';
import type { Memory } from './memory.js';
import type { Observer } from './observe.js';
import type { ServingKey } from './ownership.js';
import { type Outcome, perform } from './perform.js';
import { writeStatus } from './write-status.js';

export interface Reconciler {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly memory: Memory;
  readonly events: EventRecorder;
  readonly announcer: Announcer;
  readonly metrics: ControllerMetrics;
}

/** Milliseconds after which a converged serving is looked at again, in case a change was never told. */
const lookAgain = 600_000;
/** While it is not known yet whether PodGroups are to be made. */
const lookSoon = 200;

type Again = { readonly again: number } | undefined;

/** Ends early when `signal` aborts: from then on another process may be at work. */
export async function reconcile(key: ServingKey, parts: Reconciler, signal: AbortSignal): Promise<Again> {
  const { observer, memory, announcer } = parts;
  const serving = observer.serving(key);
  if (serving === undefined) {
    memory.forget(key);
    announcer.forget(key);
    return undefined;
  }
  const desired = desiredOf(serving);
  if (desired.deleting) return undefined; // the garbage collector removes what it owns
  const podGroups = observer.podGroupSupport(desired.schedulerName);
  if (podGroups === undefined) return { again: lookSoon };
  if (desired.recoveryPolicy === 'None') memory.forgetLosses(key);
  const warn = (reason: string, message: string) => announcer.warn(serving, reason, message);
  return converge({ client: parts.client, clock: parts.clock, memory, key, desired, podGroups, warn, signal }, parts);
}

async function converge(context: ExecuteContext, parts: Reconciler): Promise<Again> {
  const { key, desired, podGroups, warn, signal, client } = context;
  const { serving } = desired;
  for (const name of unknownPlugins(serving)) {
    warn('UnknownPlugin', `plugin ${name} is not built in; pods are made without it, remove it from spec.plugins`);
  }
  const budget = budgetOf(serving);
  const steps = planRollout(observe(parts, key, desired), desired, { budget, podGroups });
  const outcome = await perform(steps, context);
  parts.metrics.performed(steps, outcome);
  for (const { reason, message } of outcome.refusals) warn(reason, message);
  if (signal.aborted) return undefined;

  const observed = observe(parts, key, desired);
  parts.announcer.announce(serving, desired, observed);
  await writeStatus(client, serving, statusOf(observed, desired, { budget, refusal: refusalOf(outcome) }));
  throwWhatFailed(outcome);
  return { again: untilNext(steps, parts.clock.now()) };
}

const observe = ({ observer }: Reconciler, key: ServingKey, desired: Desired): Observed =>
  readObserved(observer.snapshot(key), desired);

function refusalOf({ refusals }: Outcome): Refusal {
  const [first] = refusals;
  if (first === undefined) return undefined;
  const more = refusals.length > 1 ? ` (and ${refusals.length - 1} more)` : '';
  return { reason: first.reason, message: `${first.message}${more}` };
}

/** The queue repeats the round with growing pauses. */
function throwWhatFailed({ failure, refusals }: Outcome): void {
  if (failure !== undefined) throw failure;
  const [refused] = refusals;
  if (refused !== undefined) throw refused.error ?? new Error(refused.message);
}

function untilNext(steps: readonly Step[], now: number): number {
  const due = steps.flatMap((step) => (step.do === 'wait' && step.until !== undefined ? [step.until - now] : []));
  return Math.max(0, Math.min(lookAgain, ...due));
}

import { modelRoutes, modelServers, modelServings } from '../src/api/resources.js';
import type { Clock } from '../src/base/clock.js';
import { type JudgedKind, type News, rejudge, type Standing } from '../src/core/checks/rejudge.js';
import type { KubeClient, RawObject } from '../src/kube/client.js';
import { createEventRecorder } from '../src/kube/event-recorder.js';
import { apiVersionOf, type Resource } from '../src/kube/resources.js';
import type { Change } from '../src/kube/store.js';
import { WorkQueue } from '../src/kube/work-queue.js';
import type { Logger } from '../src/telemetry/log.js';
import type { Metrics } from '../src/telemetry/metrics.js';
import { warningOf } from './messages.js';
import { contextWithServings, type World } from './world.js';

export interface ReportOptions {
  readonly client: KubeClient;
  readonly world: World;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Milliseconds from a change to the judgement: what is applied together is judged together. Default two seconds. */
  readonly settle?: number;
}

const resources: Readonly<Record<JudgedKind, Resource>> = {
  ModelServing: modelServings,
  ModelServer: modelServers,
  ModelRoute: modelRoutes,
};
const fieldsInOneEvent = 3;
/** Milliseconds that Events under way get when the process stops; what is left out is said by the next one. */
const lastWords = 1_000;

/**
 * Judges objects again when another one of their namespace appears, changes or goes, and tells their authors by Events
 * what admission could not know. Every replica does it; the name of an Event follows from what it says, so the second one
 * to say it changes nothing, and no leader is needed. Resolves when the signal has aborted and nothing is under way.
 */
export function reportRelations(options: ReportOptions, signal: AbortSignal): { readonly stopped: Promise<unknown> } {
  const { client, world, logger, clock, metrics, settle = 2_000 } = options;
  const told = metrics.counter(
    'tandem_webhook_events_total',
    'Events about objects that contradict or miss each other',
    ['code'] as const,
  );
  const recorder = createEventRecorder({ client, component: 'tandem-webhook', logger, clock });
  const standing = new Map<string, Standing>();
  const work = (namespace: string) => {
    const near = contextWithServings(world, namespace);
    // A list that is not complete would call missing what is only not read yet.
    if (!near.modelServings || !near.modelServers || !near.modelRoutes) return Promise.resolve({ again: settle });
    const verdict = rejudge(near, standing.get(namespace) ?? new Map());
    if (verdict.standing.size > 0) standing.set(namespace, verdict.standing);
    else standing.delete(namespace);
    for (const news of verdict.news) {
      told.inc({ code: news.code });
      recorder.record(aboutOf(news), textOf(news));
    }
    return Promise.resolve(undefined);
  };
  const queue = new WorkQueue({ work, workers: 1, signal, logger });
  const look = (change: Change<RawObject>) => {
    if (matters(change)) queue.addAfter(change.object.metadata.namespace ?? 'default', settle);
  };
  const leave = [world.modelServings, world.modelServers, world.modelRoutes].map((store) => store.subscribe(look));
  const stopped = new Promise<void>((resolve) => {
    const end = () => resolve(queue.stop().then(() => atMost(lastWords, recorder.flush())));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }).finally(() => leave.forEach((stop) => void stop()));
  return { stopped };
}

function atMost(milliseconds: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    void work.finally(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A status that moves says nothing new about how objects fit each other. */
function matters(change: Change<RawObject>): boolean {
  if (change.type !== 'updated') return true;
  const [old, now] = [change.old.metadata, change.object.metadata];
  return (
    old.generation !== now.generation ||
    now.generation === undefined ||
    JSON.stringify(old.annotations) !== JSON.stringify(now.annotations)
  );
}

function aboutOf({ kind, about: { metadata } }: News) {
  const { name = '', namespace = 'default', uid = '' } = metadata;
  return { apiVersion: apiVersionOf(resources[kind]), kind, name, namespace, uid };
}

function textOf({ code, findings, mark }: News) {
  if (findings.length === 0) {
    const message = `${code}: what was said about it holds no more`;
    return { type: 'Normal' as const, reason: 'CheckPassed', message, once: mark };
  }
  const lines = findings.slice(0, fieldsInOneEvent).map(warningOf);
  const left = findings.length - lines.length;
  const message = [...lines, ...(left > 0 ? [`and ${left} more of ${code}`] : [])].join('\n');
  return { type: 'Warning' as const, reason: 'CheckFailed', message, once: mark };
}

import { isObject } from '../../../base/json.js';
import { engineAt } from '../subject.js';
import type { Addition, Place, Step, Subject } from '../types.js';

const handlers = ['httpGet', 'tcpSocket', 'exec', 'grpc'] as const;

/**
 * Startup, readiness and liveness. The startup probe asks what the user's own probe asks, with the time that loading may
 * take; until it succeeds Kubernetes runs neither of the others.
 */
export const probes: Step = {
  name: 'probes',
  additions: (subject) => {
    const { engine, container, servesHttp } = subject.reading;
    const asked = handlerOf(container.livenessProbe) ?? handlerOf(container.readinessProbe);
    if ((engine.reading === 'opaque' || !servesHttp) && asked === undefined) return [];
    const { path, periodSeconds, timeoutSeconds, failureThreshold, loadBudgetSeconds } = engine.profile.probes;
    const handler = asked ?? { httpGet: { path, port: engine.port } };
    const pace = { periodSeconds, timeoutSeconds };
    const startup = { ...handler, ...pace, failureThreshold: Math.ceil(loadBudgetSeconds / periodSeconds) };
    return [
      probe(subject, 'startupProbe', startup, engine.profile.probes.because),
      probe(
        subject,
        'readinessProbe',
        { ...handler, ...pace, failureThreshold },
        'a pod without it is ready before its engine is',
      ),
      probe(
        subject,
        'livenessProbe',
        { ...handler, ...pace, failureThreshold },
        'an engine that hangs is started again',
      ),
    ];
  },
};

function probe(subject: Subject, field: string, value: object, because: string): Addition {
  const { name, probes: profile } = subject.reading.engine.profile;
  const place: Place = [...engineAt(subject), field];
  return { kind: 'field', place, value, by: name, because, source: profile.source };
}

function handlerOf(probe: unknown): Record<string, unknown> | undefined {
  if (!isObject(probe)) return undefined;
  const name = handlers.find((handler) => isObject(probe[handler]));
  return name === undefined ? undefined : { [name]: probe[name] };
}

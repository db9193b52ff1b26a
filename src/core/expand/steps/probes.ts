import { isObject } from '../../../base/json.js';
import type { EngineProfile } from '../../profiles/types.js';
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
    const handler = asked ?? question(path, engine.apiPorts);
    const pace = { periodSeconds, timeoutSeconds };
    const { readiness, liveness } = own(handler, engine.profile.probes);
    const patient = { failureThreshold: Math.ceil(loadBudgetSeconds / periodSeconds) };
    const ready = { failureThreshold, ...readiness };
    const alive = { failureThreshold, ...liveness };
    const wanted = [
      ['startupProbe', patient, engine.profile.probes.because],
      ['readinessProbe', ready, 'a pod without it is ready before its engine is'],
      ['livenessProbe', alive, 'an engine that hangs is started again'],
    ] as const;
    return wanted
      .filter(([field]) => (container[field] ?? undefined) === undefined)
      .map(([field, more, because]) => probe(subject, field, { ...handler, ...pace, ...more }, because));
  },
};

/** The pace of single probes is that of one question: a command that asks several ports takes the common one. */
const own = (handler: Record<string, unknown>, { readiness, liveness }: EngineProfile['probes']) =>
  handler['exec'] === undefined ? { readiness, liveness } : {};

/** A pod is ready when every rank that answers on a port of its own is. */
function question(path: string, ports: readonly number[]): Record<string, unknown> {
  const [port] = ports;
  if (ports.length === 1) return { httpGet: { path, port } };
  return { exec: { command: ['python3', '-c', askAll, path, ...ports.map(String)] } };
}

/** Probes know one port each; python3 is in every engine image, curl is not. */
const askAll = [
  'import os,sys,urllib.request as u',
  'ip=os.environ.get("POD_IP") or "127.0.0.1"',
  '[u.urlopen("http://%s:%s%s"%("[%s]"%ip if ":" in ip else ip,p,sys.argv[1]),timeout=4).read() for p in sys.argv[2:]]',
].join('\n');

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

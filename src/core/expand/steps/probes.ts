import { isObject } from '../../../base/json.js';
import type { EngineProfile } from '../../profiles/types.js';
import { objectAt, textAt } from '../../reading/shape.js';
import { engineAt } from '../subject.js';
import type { Addition, Place, Step, Subject } from '../types.js';

const handlers = ['httpGet', 'tcpSocket', 'exec', 'grpc'] as const;

/**
 * Startup, readiness and liveness. The startup probe asks what the user's own probe asks, with the time that loading may
 * take; until it succeeds Kubernetes runs neither of the others. What decides whether a pod gets traffic may well be false
 * for a while in one that works, so it never decides whether the pod is started again.
 */
export const probes: Step = {
  name: 'probes',
  additions: (subject) => {
    const { engine, container, servesHttp } = subject.reading;
    const { path, failureThreshold, loadBudgetSeconds, periodSeconds, timeoutSeconds, because } = engine.profile.probes;
    const known =
      engine.reading !== 'opaque' && servesHttp
        ? question(path, engine.apiPorts, schemeOf(container.readinessProbe))
        : undefined;
    const asked = handlerOf(container.livenessProbe) ?? handlerOf(container.readinessProbe) ?? known;
    const patient = { failureThreshold: Math.ceil(loadBudgetSeconds / periodSeconds) };
    const readiness = { failureThreshold, ...own(asked, engine.profile.probes.readiness) };
    const liveness = { failureThreshold, ...own(known, engine.profile.probes.liveness) };
    const wanted = [
      ['startupProbe', asked, patient, because],
      ['readinessProbe', asked, readiness, 'a pod without it is ready before its engine is'],
      ['livenessProbe', known, liveness, 'an engine that hangs is started again'],
    ] as const;
    return wanted.flatMap(([field, handler, more, why]) =>
      handler && (container[field] ?? undefined) === undefined
        ? [probe(subject, field, { ...handler, periodSeconds, timeoutSeconds, ...more }, why)]
        : [],
    );
  },
};

/** The pace of single probes is that of one question: a command that asks several ports takes the common one. */
const own = (handler: Record<string, unknown> | undefined, pace: EngineProfile['probes']['readiness']) =>
  handler?.['exec'] === undefined ? pace : {};

/** A pod is ready when every rank that answers on a port of its own is. */
function question(path: string, ports: readonly number[], scheme: string | undefined): Record<string, unknown> {
  const [port] = ports;
  if (ports.length === 1) return { httpGet: { path, port, ...(scheme && { scheme }) } };
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

/** An engine that speaks TLS is asked over it, which only the user's own probe tells. */
const schemeOf = (probe: unknown): string | undefined => textAt(objectAt(probe, 'httpGet'), 'scheme');

function handlerOf(probe: unknown): Record<string, unknown> | undefined {
  if (!isObject(probe)) return undefined;
  const name = handlers.find((handler) => isObject(probe[handler]));
  return name === undefined ? undefined : { [name]: probe[name] };
}

import type { WantedPort } from '../../profiles/types.js';
import { listAt, textAt, valueAt } from '../../reading/shape.js';
import type { PodReading } from '../../reading/types.js';
import { usesHostNetwork } from '../host-ports.js';
import { applies, because, engineAt } from '../subject.js';
import type { Addition, Because, Step, Subject } from '../types.js';

/**
 * Ports that the engine listens on. On the pod network they are what people, policies and checks look at, and the first
 * of a range stands for it; on the host network the scheduler keeps pods with one port apart, so each port is declared.
 */
export const ports: Step = {
  name: 'ports',
  additions: (subject) => {
    const { engine, connector } = subject.reading;
    if (engine.reading === 'opaque') return [];
    const profile = connector?.profile;
    const wanted = (profile?.ports ?? []).filter(({ when }) => applies(when, subject));
    const transfer = wanted.flatMap((wish) => range(subject, wish, because(profile?.name ?? '', wish)));
    return [...api(subject), ...meetingPoint(subject), ...transfer];
  },
};

/** The API; with ranks that are balanced from outside each has a port of its own. */
function api(subject: Subject): readonly Addition[] {
  const { engine, servesHttp } = subject.reading;
  if (!servesHttp) return [];
  return engine.apiPorts.map((number, rank) =>
    port(subject, rank === 0 ? 'http' : `http-${rank}`, number, {
      by: engine.profile.name,
      because: rank === 0 ? 'the port of the engine' : 'the port of a data-parallel rank that is balanced from outside',
      source: rank === 0 ? 'pd-protocols B.9' : 'pd-protocols B.9, C-36',
    }),
  );
}

/** Where the data-parallel ranks of other pods report. */
function meetingPoint(subject: Subject): readonly Addition[] {
  const { engine, place } = subject.reading;
  const flag = engine.profile.flags.dataParallelPort;
  const number = flag === undefined ? undefined : whole(engine.args.get(flag));
  if (number === undefined || place === 'worker') return [];
  const why = {
    by: engine.profile.name,
    because: 'the ranks of the other pods report there',
    source: 'pd-protocols B.9',
  };
  return [port(subject, 'dp-rpc', number, why)];
}

function range(subject: Subject, wish: WantedPort, why: Because): readonly Addition[] {
  const first = numberOf(subject.reading, wish);
  if (!usesHostNetwork(subject.reading.spec)) return [port(subject, wish.name, first, why)];
  const numbers = countOf(subject.reading, wish);
  return Array.from({ length: Math.min(numbers, longest) }, (_, index) =>
    port(subject, index === 0 ? wish.name : undefined, first + index, why),
  );
}

/** More devices than this are in no node. */
const longest = 64;

function countOf({ engine, devices }: PodReading, { oneForEach }: WantedPort): number {
  if (oneForEach === 'device') return Math.max(devices.count, engine.ranksPerPod);
  if (oneForEach === undefined) return 1;
  const local = whole(engine.args.get(engine.profile.flags.dataParallelLocal ?? ''));
  return local ?? engine.dataParallel;
}

function port(subject: Subject, name: string | undefined, containerPort: number, why: Because): Addition {
  const taken = listAt(subject.reading.container, 'ports').some((other) => textAt(other, 'name') === name);
  const value = {
    ...(name !== undefined && !taken && { name }),
    containerPort,
    // What Kubernetes itself would write: on the host network every port of a container is one of the node.
    ...(usesHostNetwork(subject.reading.spec) && { hostPort: containerPort }),
    protocol: 'TCP',
  };
  const { by, because, source } = why;
  return { kind: 'entry', list: [...engineAt(subject), 'ports'], key: 'containerPort', value, by, because, source };
}

/** The number in use: as the pod says, else the profile's. */
const numberOf = (reading: PodReading, wish: WantedPort): number => saidNumber(reading, wish) ?? wish.port;

/** A port of the connector where the pod itself names it: in environment, KV-transfer configuration or a flag. */
export function saidNumber(
  { env, engine, connector }: PodReading,
  { fromEnv, fromConfig, fromFlag }: WantedPort,
): number | undefined {
  return (
    (fromEnv && whole(env.get(fromEnv)?.value)) ||
    (fromConfig && whole(valueAt(connector?.own, fromConfig))) ||
    (fromFlag && whole(engine.args.get(fromFlag))) ||
    undefined
  );
}

function whole(said: unknown): number | undefined {
  const number = typeof said === 'string' || typeof said === 'number' ? Number(said) : Number.NaN;
  return Number.isInteger(number) && number > 0 && number < 65_536 ? number : undefined;
}

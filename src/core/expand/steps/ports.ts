import type { WantedPort } from '../../profiles/types.js';
import { listAt, textAt, valueAt } from '../../reading/shape.js';
import { applies, because, engineAt } from '../subject.js';
import type { Addition, Step, Subject } from '../types.js';

/** Ports that the engine listens on: not needed to reach it, but what people, policies and checks look at. */
export const ports: Step = {
  name: 'ports',
  additions: (subject) => {
    const { engine, connector } = subject.reading;
    if (engine.reading === 'opaque') return [];
    const own: Addition = port(subject, 'http', engine.port, {
      by: engine.profile.name,
      because: 'the port of the engine',
      source: 'pd-protocols B.9',
    });
    const profile = connector?.profile;
    const wanted = (profile?.ports ?? []).filter(({ when }) => applies(when, subject));
    const api = subject.reading.servesHttp ? [own] : [];
    const transfer = wanted.map((wish) =>
      port(subject, wish.name, numberOf(subject, wish), because(profile?.name ?? '', wish)),
    );
    return [...api, ...transfer];
  },
};

function port(
  subject: Subject,
  name: string,
  containerPort: number,
  why: { by: string; because: string; source?: string | undefined },
): Addition {
  const taken = listAt(subject.reading.container, 'ports').some((other) => textAt(other, 'name') === name);
  const value = taken ? { containerPort, protocol: 'TCP' } : { name, containerPort, protocol: 'TCP' };
  return { kind: 'entry', list: [...engineAt(subject), 'ports'], key: 'containerPort', value, ...why };
}

/** The number in use: from environment, KV-transfer configuration or flag, where the pod moves it. */
function numberOf({ reading }: Subject, { port: usual, fromEnv, fromConfig, fromFlag }: WantedPort): number {
  const { env, engine, connector } = reading;
  const said: readonly unknown[] = [
    fromEnv && env.get(fromEnv)?.value,
    fromConfig && valueAt(connector?.own, fromConfig),
    fromFlag && engine.args.get(fromFlag),
  ];
  return said.map(Number).find((number) => Number.isInteger(number) && number > 0 && number < 65_536) ?? usual;
}

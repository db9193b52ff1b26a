import type { When } from '../../profiles/types.js';
import { patternOf } from '../../reading/pattern.js';
import { objectAt, textsAt } from '../../reading/shape.js';
import { applies, because, engineAt } from '../subject.js';
import type { Step, Subject } from '../types.js';

/** Capabilities that the connector's transport needs, unless the user dropped them or runs privileged anyway. */
export const capabilities: Step = {
  name: 'capabilities',
  additions: (subject) => {
    const { container, connector } = subject.reading;
    const security = objectAt(container, 'securityContext');
    const dropped = textsAt(objectAt(security, 'capabilities'), 'drop');
    if (connector === undefined || security?.['privileged'] === true) return [];
    const { profile } = connector;
    const wishes = [
      ...(profile?.capabilities ?? []).map((wish) => ({ ...wish, by: profile?.name ?? '' })),
      ...cardWishes(subject),
    ];
    return wishes
      .filter(({ name, when }) => applies(when, subject) && !dropped.includes(name))
      .map(({ by, ...wish }) => ({
        kind: 'item',
        list: [...engineAt(subject), 'securityContext', 'capabilities', 'add'],
        value: wish.name,
        ...because(by, wish),
      }));
  },
};

interface Wish {
  readonly name: string;
  readonly by: string;
  readonly because: string;
  readonly source?: string;
  readonly when?: When;
}

/** What the network cards take that the container asks for. */
function cardWishes({ reading, profiles }: Subject): readonly Wish[] {
  const asked = Object.keys(objectAt(objectAt(reading.container, 'resources'), 'limits') ?? {});
  const used = profiles.networks.filter(({ resourcePatterns }) =>
    resourcePatterns.some((name) => asked.some((resource) => patternOf(name).test(resource))),
  );
  return used.flatMap(({ name: by, capabilities = [] }) =>
    capabilities.map((name) => ({
      name,
      by,
      because: 'a network card registers memory that must stay locked',
      source: 'pd-protocols C-51',
    })),
  );
}

import { objectAt, textsAt } from '../../reading/shape.js';
import { applies, because, engineAt } from '../subject.js';
import type { Step } from '../types.js';

/** Capabilities that the connector's transport needs, unless the user dropped them or runs privileged anyway. */
export const capabilities: Step = {
  name: 'capabilities',
  additions: (subject) => {
    const { container, connector } = subject.reading;
    const security = objectAt(container, 'securityContext');
    const dropped = textsAt(objectAt(security, 'capabilities'), 'drop');
    const profile = connector?.profile;
    if (profile?.capabilities === undefined || security?.['privileged'] === true) return [];
    return profile.capabilities
      .filter(({ name, when }) => applies(when, subject) && !dropped.includes(name))
      .map((wish) => ({
        kind: 'item',
        list: [...engineAt(subject), 'securityContext', 'capabilities', 'add'],
        value: wish.name,
        ...because(profile.name, wish),
      }));
  },
};

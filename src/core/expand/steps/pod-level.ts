import type { WantedLabel } from '../../profiles/types.js';
import { usesHostNetwork } from '../host-ports.js';
import { applies, because, filledText } from '../subject.js';
import type { Addition, Place, Step, Subject } from '../types.js';

/** Nodes that the user or the installation chose; labels that follow from the kind of node come after it. */
export const nodeSelector: Step = {
  name: 'node-selector',
  readAgain: 'all',
  additions: (subject) => wanted(subject, subject.reading.devices.profile?.nodeSelector, ['spec', 'nodeSelector']),
};

/** Labels and annotations by which a platform's plugins find their pods and treat them. */
export const platformMetadata: Step = {
  name: 'platform-metadata',
  additions: (subject) => {
    const { profile } = subject.reading.devices;
    return [
      ...wanted(subject, profile?.labels, ['metadata', 'labels']),
      ...wanted(subject, profile?.annotations, ['metadata', 'annotations']),
    ];
  },
};

const nothing: readonly Addition[] = [];

/** Of several wishes for one name the first that applies counts: the others find the place taken. */
function wanted(subject: Subject, wishes: readonly WantedLabel[] | undefined, place: Place): readonly Addition[] {
  const { profile } = subject.reading.devices;
  if (wishes === undefined || profile === undefined) return nothing;
  return wishes
    .filter(({ when }) => applies(when, subject))
    .map((wish) => ({
      kind: 'field',
      place: [...place, wish.name],
      value: filledText(wish.value, subject),
      ...because(profile.name, wish),
    }));
}

export const hostNetworkResolver = 'ClusterFirstWithHostNet';
export const resolverAddition = {
  kind: 'field',
  place: ['spec', 'dnsPolicy'],
  value: hostNetworkResolver,
  by: 'tandem',
  because: 'a pod on the host network resolves no service name otherwise: neither its entry pod nor a store',
  source: 'pd-protocols C-56',
} as const;

/** A pod on the node's network uses the node's resolver otherwise. */
export const resolver: Step = {
  name: 'resolver',
  additions: ({ reading }) => (usesHostNetwork(reading.spec) ? [resolverAddition] : []),
};

/** Time to drain: Kubernetes' 30 s end requests that are still being answered. */
export const gracePeriod: Step = {
  name: 'grace-period',
  additions: ({ reading }) => {
    const { name, drain } = reading.engine.profile;
    return [
      {
        kind: 'field',
        place: ['spec', 'terminationGracePeriodSeconds'],
        value: drain.gracePeriodSeconds,
        ...because(name, drain),
      },
    ];
  },
};

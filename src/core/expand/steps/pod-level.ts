import { usesHostNetwork } from '../host-ports.js';
import { applies, because, profilesOf } from '../subject.js';
import type { Addition, Step } from '../types.js';

/** Labels by which a platform's plugins find their pods. */
export const platformLabels: Step = {
  name: 'platform-labels',
  additions: (subject) =>
    profilesOf(subject).flatMap((profile) =>
      ('labels' in profile ? (profile.labels ?? []) : [])
        .filter(({ when }) => applies(when, subject))
        .map(
          (wish): Addition => ({
            kind: 'field',
            place: ['metadata', 'labels', wish.name],
            value: wish.value,
            ...because(profile.name, wish),
          }),
        ),
    ),
};

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

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

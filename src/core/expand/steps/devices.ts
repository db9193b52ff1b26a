import { objectAt } from '../../reading/shape.js';
import { engineAt } from '../subject.js';
import type { Addition, Step } from '../types.js';

const parts = ['limits', 'requests'] as const;

/** Extended resources are counted by requests and granted by limits; device plugins and schedulers want both, and equal. */
export const devices: Step = {
  name: 'devices',
  additions: (subject) => {
    const { resource, profile } = subject.reading.devices;
    if (resource === undefined || profile === undefined) return [];
    const resources = objectAt(subject.reading.container, 'resources');
    const amount = objectAt(resources, 'limits')?.[resource] ?? objectAt(resources, 'requests')?.[resource];
    if (typeof amount !== 'string' && typeof amount !== 'number') return [];
    const place = [...engineAt(subject), 'resources'];
    return parts.map(
      (part): Addition => ({
        kind: 'field',
        place: [...place, part, resource],
        value: amount,
        by: profile.name,
        because: 'requests equal limits for devices, and quotas and gangs are counted by requests',
        source: 'pd-protocols C-23',
      }),
    );
  },
};

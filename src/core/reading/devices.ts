import type { Container } from '../../api/kube.js';
import { oncePer } from '../../base/once-per.js';
import { wholeUnits } from '../../base/quantity.js';
import type { AcceleratorProfile, Profiles } from '../profiles/types.js';
import { patternOf } from './pattern.js';
import { objectAt } from './shape.js';
import type { DeviceReading } from './types.js';

/** The accelerator devices that a container asks for, by limits first; a request alone counts too. */
export function readDevices(container: Container, path: string, profiles: Profiles): DeviceReading {
  const resources = objectAt(container, 'resources');
  for (const part of ['limits', 'requests'] as const) {
    for (const [resource, quantity] of Object.entries(objectAt(resources, part) ?? {})) {
      const profile = acceleratorFor(resource, profiles);
      if (!profile) continue;
      const count = isQuantity(quantity) ? Math.min(wholeUnits(quantity) ?? 0, Number.MAX_SAFE_INTEGER) : 0;
      return { profile, resource, count, path: `${path}.resources.${part}["${resource}"]` };
    }
  }
  return { profile: undefined, resource: undefined, count: 0, path: `${path}.resources.limits` };
}

const isQuantity = (value: unknown): value is string | number => typeof value === 'string' || typeof value === 'number';

/** The accelerator that a resource name means; an exact name wins over a pattern. */
export function acceleratorFor(resource: string, profiles: Profiles): AcceleratorProfile | undefined {
  if (resource.length > longestName) return findAccelerator(resource, profiles);
  const known = answers(profiles);
  if (known.has(resource)) return known.get(resource);
  if (known.size >= mostAnswers) known.clear();
  const found = findAccelerator(resource, profiles);
  known.set(resource, found);
  return found;
}

/** What each resource name was found to mean: every container asks about `cpu` and `memory`. */
const answers = oncePer((_: Profiles) => new Map<string, AcceleratorProfile | undefined>());
/** Names come from manifests that nobody has validated, and a cluster has a few dozen. */
const [mostAnswers, longestName] = [1_000, 300];

const findAccelerator = (resource: string, { accelerators }: Profiles): AcceleratorProfile | undefined =>
  accelerators.find(({ resources }) => resources.includes(resource)) ??
  accelerators.find(({ resourcePatterns = [] }) =>
    resourcePatterns.some((pattern) => patternOf(pattern).test(resource)),
  );

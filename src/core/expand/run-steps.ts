import type { PodReading } from '../reading/types.js';
import type { Draft } from './draft.js';
import { shorten, spellPlace } from './spell.js';
import { devices } from './steps/devices.js';
import { environment } from './steps/environment.js';
import { identity } from './steps/identity.js';
import { nodeFiles, sharedMemory } from './steps/mounts.js';
import { gracePeriod, platformLabels } from './steps/pod-level.js';
import { ports } from './steps/ports.js';
import { probes } from './steps/probes.js';
import { capabilities } from './steps/security.js';
import type { Addition, Place, Reason, Step, Subject } from './types.js';

/** What a recognised engine pod gets, in this order. A step exists only for what data cannot say. */
export const templateSteps: readonly Step[] = [
  identity,
  environment,
  devices,
  nodeFiles,
  sharedMemory,
  capabilities,
  ports,
  probes,
  platformLabels,
  gracePeriod,
];

/**
 * Runs all steps on one pod template, which stands at `below` in the draft; `read` reads it as it then is. What is taken
 * is dropped, and what is added is told.
 */
export function completePod(
  first: Subject,
  draft: Draft,
  below: Place,
  role: string,
  read: () => PodReading | undefined,
): readonly Reason[] {
  const reasons: Reason[] = [];
  let subject = first;
  for (const step of templateSteps) {
    const added = applyAdditions(step.name, step.additions(subject), draft, below, role);
    reasons.push(...added);
    if (step.readAgain && added.length > 0) subject = { ...subject, reading: read() ?? subject.reading };
  }
  return reasons;
}

export function applyAdditions(
  step: string,
  additions: readonly Addition[],
  draft: Draft,
  below: Place,
  role: string,
): readonly Reason[] {
  return additions
    .filter((addition) => draft.add(below, addition))
    .map((addition) => {
      const place = placeOf(addition);
      const { by, because, source } = addition;
      return {
        step,
        role,
        field: spellPlace(place, draft.object, below),
        value: shorten(addition.kind === 'words' ? addition.value.join(' ') : addition.value),
        place: [...below, ...place],
        by,
        because,
        source,
      };
    });
}

function placeOf(addition: Addition): Place {
  switch (addition.kind) {
    case 'field':
      return addition.place;
    case 'entry':
      return [
        ...addition.list,
        { key: addition.key, is: (addition.value as Record<string, string | number>)[addition.key] ?? '' },
      ];
    case 'item':
      return [...addition.list, { key: '', is: addition.value }];
    case 'words':
      return [...addition.list, { key: '', is: addition.value[0] ?? '' }];
  }
}

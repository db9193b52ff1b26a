import { withGrownEnvironment } from '../reading/pod.js';
import type { PodReading } from '../reading/types.js';
import type { Draft } from './draft.js';
import { follow, shorten, spellPlace } from './spell.js';
import { devices } from './steps/devices.js';
import { environment } from './steps/environment.js';
import { identity } from './steps/identity.js';
import { configMaps, nodeFiles, sharedMemory } from './steps/mounts.js';
import { network } from './steps/network.js';
import { gracePeriod, nodeSelector, platformMetadata, resolver } from './steps/pod-level.js';
import { ports } from './steps/ports.js';
import { probes } from './steps/probes.js';
import { capabilities } from './steps/security.js';
import type { Addition, Place, Reason, Step, Subject } from './types.js';

/** What a recognised engine pod gets, in this order. A step exists only for what data cannot say. */
export const templateSteps: readonly Step[] = [
  identity,
  environment,
  devices,
  network,
  nodeFiles,
  configMaps,
  sharedMemory,
  capabilities,
  ports,
  probes,
  nodeSelector,
  platformMetadata,
  resolver,
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
    if (added.length === 0) continue;
    for (const reason of added) reasons.push(reason);
    if (step.readAgain) subject = { ...subject, reading: readAgain(step.readAgain, subject.reading, read) };
  }
  return reasons;
}

function readAgain(
  what: NonNullable<Step['readAgain']>,
  before: PodReading,
  read: () => PodReading | undefined,
): PodReading {
  const grown = what === 'environment' ? withGrownEnvironment(before) : undefined;
  return grown ?? read() ?? before;
}

export function applyAdditions(
  step: string,
  additions: readonly Addition[],
  draft: Draft,
  below: Place,
  role: string,
): readonly Reason[] {
  const added = additions.filter((addition) => draft.add(below, addition));
  if (added.length === 0) return nothing;
  const spell = speller(follow(draft.object, below));
  return added.map((addition) => new Added({ step, role, field: spell(addition), below }, addition));
}

const nothing: readonly Reason[] = [];

/** The reason of an addition. What only a person reads is spelled when it is asked for: most reviews are read by nobody. */
class Added implements Reason {
  readonly step: string;
  readonly role: string;
  readonly field: string;
  readonly by: string;
  readonly #addition: Addition;
  readonly #below: Place;

  constructor(
    { step, role, field, below }: Pick<Reason, 'step' | 'role' | 'field'> & { below: Place },
    addition: Addition,
  ) {
    this.step = step;
    this.role = role;
    this.field = field;
    this.by = addition.by;
    this.#addition = addition;
    this.#below = below;
  }

  get because(): string {
    return this.#addition.because;
  }

  get source(): string | undefined {
    return this.#addition.source;
  }

  get value(): string {
    const { kind, value } = this.#addition;
    return shorten(kind === 'words' ? value.join(' ') : value);
  }

  get place(): Place {
    return [...this.#below, ...placeOf(this.#addition)];
  }
}

function placeOf(addition: Addition): Place {
  if (addition.kind === 'field') return addition.place;
  return [...addition.list, elementOf(addition)];
}

/** Spells additions to one template; those of a step mostly share their list, which is then spelled once. */
function speller(template: unknown): (addition: Addition) => string {
  let place: Place | undefined;
  let list = '';
  return (addition) => {
    if (addition.kind === 'field') return spellPlace(addition.place, template);
    if (addition.list !== place) list = spellPlace(addition.list, template);
    place = addition.list;
    return `${list}[${elementOf(addition).is}]`;
  };
}

/** What tells an element of a list apart from the others. */
function elementOf(addition: Exclude<Addition, { kind: 'field' }>): { key: string; is: string | number } {
  switch (addition.kind) {
    case 'entry':
      return {
        key: addition.key,
        is: (addition.value as Readonly<Record<string, string | number>>)[addition.key] ?? '',
      };
    case 'item':
      return { key: '', is: addition.value };
    case 'words':
      return { key: '', is: addition.value[0] ?? '' };
  }
}

import type { Container } from '../../api/kube.js';
import { volcano } from '../../api/names.js';
import { canonicalJson, isObject } from '../../base/json.js';
import { withoutSlash } from '../../base/path.js';
import type { AcceleratorProfile, ConnectorProfile, EngineProfile, When } from '../profiles/types.js';
import { patternOf } from '../reading/pattern.js';
import { listAt, objectAt, textAt } from '../reading/shape.js';
import { usesHostNetwork } from './host-ports.js';
import { isValueOf } from './options.js';
import type { Addition, Because, Place, Subject } from './types.js';

/** Where the engine container stands in its template. */
export const engineAt = ({ reading }: Subject): Place => ['spec', 'containers', reading.containerIndex];

/** The profiles that have a say in this pod, in the order in which their wishes are heard. */
export function profilesOf({ reading }: Subject): readonly (AcceleratorProfile | EngineProfile | ConnectorProfile)[] {
  const { devices, engine, connector } = reading;
  const heard: (AcceleratorProfile | EngineProfile | ConnectorProfile)[] = [engine.profile];
  if (devices.profile) heard.unshift(devices.profile);
  if (connector?.profile) heard.push(connector.profile);
  return heard;
}

type Conditions = { readonly [Name in keyof When]-?: (wanted: NonNullable<When[Name]>, subject: Subject) => boolean };

const holds: Conditions = {
  side: (side, { reading }) => side === reading.side,
  place: (place, { reading }) => place === reading.place,
  terse: (_, { terse }) => terse,
  podNetwork: (_, { reading }) => !usesHostNetwork(reading.spec),
  connectors: (names, { reading }) => names.includes(reading.connector?.profile?.name ?? ''),
  pods: (pods, { reading }) => pods === (reading.pods > 1 ? 'several' : 'one'),
  image: (pattern, { reading }) => patternOf(pattern).test(textAt(reading.container, 'image') ?? ''),
  resource: (pattern, { reading }) => patternOf(pattern).test(reading.devices.resource ?? ''),
  nodes: (wanted, { reading }) => {
    const selector = objectAt(reading.spec, 'nodeSelector');
    return Object.entries(wanted).every(([label, values]) => values.includes(textAt(selector, label) ?? ''));
  },
  runtimeMounts: (mounts, { settings }) => (settings.runtimeMounts !== false) === mounts,
  schedulers: (names, subject) => names.includes(schedulerOf(subject)),
  options: (wanted, subject) => {
    for (const name in wanted) {
      const value = optionOf(subject, name);
      const allowed = wanted[name] ?? [];
      if (value === undefined || (allowed.length > 0 && !allowed.includes(value))) return false;
    }
    return true;
  },
};

/**
 * What the serving chose for an option, else what holds for the installation. A value that this accelerator does not know
 * was meant for another one.
 */
function optionOf({ reading, asked, settings }: Subject, name: string): string | undefined {
  const value = asked.options?.get(name) ?? settings.options?.get(name);
  if (value === undefined) return undefined;
  const option = reading.devices.profile?.options?.find((one) => one.name === name);
  return option === undefined || isValueOf(option, value) ? value : undefined;
}

/** The scheduler that will place the pod: the controller fills in the serving's, and admission knows stand-ins. */
function schedulerOf({ template, asked, settings: { schedulerNames } }: Subject): string {
  const said = textAt(template.spec, 'schedulerName') ?? asked.scheduler ?? volcano.schedulerName;
  return (Object.hasOwn(schedulerNames, said) ? schedulerNames[said] : undefined) ?? said;
}

/** A text of a profile with `{resource}` and `{option:NAME}` replaced by what they stand for. */
export function filledText(text: string, subject: Subject): string {
  if (!text.includes('{')) return text;
  return text.replace(
    /\{(resource|option:([-a-z0-9]+))\}/g,
    (written, _, name: string | undefined) =>
      (name === undefined ? subject.reading.devices.resource : optionOf(subject, name)) ?? written,
  );
}

/** Whether a wish of a profile is meant for this pod: all conditions that are given hold. */
export function applies(when: When | undefined, subject: Subject): boolean {
  if (when === undefined) return true;
  for (const name in when) {
    const condition = name as keyof When;
    if (!holds[condition](when[condition] as never, subject)) return false;
  }
  return true;
}

export const because = (by: string, wish: { because: string; source?: string }): Because => ({
  by,
  because: wish.because,
  source: wish.source,
});

/** An environment entry with a value, or with a field of the pod. */
export function envEntry(wish: { name: string; value?: string; fieldPath?: string }): object {
  if (wish.fieldPath === undefined) return { name: wish.name, value: wish.value ?? '' };
  return { name: wish.name, valueFrom: { fieldRef: { fieldPath: wish.fieldPath } } };
}

export const containersOf = (subject: Subject, field: 'containers' | 'initContainers'): readonly Container[] =>
  listAt(subject.template.spec, field).filter(isObject) as unknown as Container[];

/**
 * Whether the engine container already mounts something at one of the paths. A mount of the volume that is about to be
 * added, which lost that volume, does not count: it gets its volume back.
 */
export function mounts({ reading, template }: Subject, paths: readonly string[], volume: string): boolean {
  const trimmed = paths.map(withoutSlash);
  return listAt(reading.container, 'volumeMounts').some(
    (mount) =>
      trimmed.includes(withoutSlash(textAt(mount, 'mountPath') ?? '')) &&
      (textAt(mount, 'name') !== volume || hasVolume(template, volume)),
  );
}

const hasVolume = ({ spec }: Subject['template'], volume: string): boolean =>
  listAt(spec, 'volumes').some((other) => textAt(other, 'name') === volume);

/**
 * A volume and its mount in the engine container. A volume of that name with another source is the user's own, so the
 * new one gets another name.
 */
export function volumeWithMount(
  subject: Subject,
  volume: { readonly name: string; readonly [source: string]: unknown },
  mount: { readonly mountPath: string; readonly readOnly?: boolean },
  why: Because,
): readonly Addition[] {
  // One without the other is worse than neither, so a list of a wrong shape gets none.
  if (!holdsList(subject.template.spec, 'volumes') || !holdsList(subject.reading.container, 'volumeMounts')) return [];
  const taken = listAt(subject.template.spec, 'volumes').find((other) => textAt(other, 'name') === volume.name);
  const name = taken === undefined || sameSource(taken, volume) ? volume.name : `${volume.name}-tandem`;
  return [
    { kind: 'entry', list: ['spec', 'volumes'], key: 'name', value: { ...volume, name }, ...why },
    {
      kind: 'entry',
      list: [...engineAt(subject), 'volumeMounts'],
      key: 'mountPath',
      value: { name, ...mount },
      ...why,
    },
  ];
}

function holdsList(value: unknown, key: string): boolean {
  const member = isObject(value) ? value[key] : undefined;
  return member === undefined || member === null || Array.isArray(member);
}

function sameSource(a: unknown, b: unknown): boolean {
  const path = (volume: unknown) => textAt(objectAt(volume, 'hostPath'), 'path');
  if (path(a) !== undefined || path(b) !== undefined) return path(a) === path(b);
  return canonicalJson(a) === canonicalJson(b);
}

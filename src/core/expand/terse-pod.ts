import { tandemKeys } from '../../api/names.js';
import type { EngineProfile } from '../profiles/types.js';
import { objectAt } from '../reading/shape.js';
import type { PodReading } from '../reading/types.js';
import { fillText, type Values } from './placeholders.js';
import {
  bareContainer,
  containerPlace,
  deviceCount,
  isLocal,
  type PlannedRole,
  programOf,
  type TerseRole,
  terseArguments,
  valuesOf,
} from './terse.js';
import type { Addition, Because, ExpandSettings } from './types.js';

/** Everything that the terse form adds to a role's pod template before the steps that every engine pod gets. */
export function terseAdditions(
  terse: TerseRole,
  all: readonly PlannedRole[],
  settings: ExpandSettings,
): readonly Addition[] {
  return [
    ...(terse.bare ? [] : container(terse, all, settings)),
    ...terseArguments(terse, all),
    ...resources(terse),
    ...(isLocal(terse.model) ? [] : weights(terse, all, settings)),
  ];
}

function container(terse: TerseRole, all: readonly PlannedRole[], settings: ExpandSettings): readonly Addition[] {
  const { engine } = terse.choice;
  const { container: name, imagePullPolicy } = engine.terse;
  const { image, command } = programOf(terse, all, settings);
  const place = containerPlace(terse);
  const why: Because = {
    by: engine.name,
    because: `the role has no container of its own, and ${tandemKeys.engine.key} says which engine`,
  };
  const field = (key: string, value: unknown): Addition[] =>
    value === undefined ? [] : [{ kind: 'field', place: [...place, key], value, ...why }];
  return [
    { kind: 'entry', list: ['spec', 'containers'], key: 'name', value: { name }, ...why },
    ...field('image', image),
    ...field('imagePullPolicy', imagePullPolicy),
    ...field('command', command),
  ];
}

function resources(terse: TerseRole): readonly Addition[] {
  const { accelerator } = terse.choice;
  const count = deviceCount(terse);
  const place = [...containerPlace(terse), 'resources'];
  const own = bareContainer(terse);
  const both = (resource: string, value: string, why: string): Addition[] => {
    const written = writtenIn(own, resource);
    const parts = written ? (written.part === 'limits' ? ['requests'] : []) : ['limits', 'requests'];
    return parts.map((part) => ({
      kind: 'field',
      place: [...place, part, resource],
      value: written?.value ?? value,
      by: accelerator.name,
      because: written ? 'the request of what the container limits: the platform counts by requests' : why,
    }));
  };
  const { perDevice, resources: names } = accelerator;
  const host = (each: string) => /^(\d+)(.*)$/.exec(each)?.slice(1) ?? ['0', ''];
  const times = (each: string) => `${Number(host(each)[0]) * count}${host(each)[1]}`;
  return [
    ...(perDevice
      ? [
          ...both('cpu', times(perDevice.cpu), perDevice.because),
          ...both('memory', times(perDevice.memory), perDevice.because),
        ]
      : []),
    // Another resource of the accelerator, a slice of a device for example, is asked for instead.
    ...(own?.devices.resource === undefined
      ? both(
          names[0] ?? '',
          String(count),
          'one device for each rank of the engine, in a number that the platform grants',
        )
      : []),
  ];
}

/** What a container says of a resource, its limit first. */
function writtenIn(pod: PodReading | undefined, resource: string) {
  const resources = objectAt(pod?.container, 'resources');
  for (const part of ['limits', 'requests'] as const) {
    const value = objectAt(resources, part)?.[resource] ?? undefined;
    if (value !== undefined) return { part, value };
  }
  return undefined;
}

/** The volume of the weights, mounted in the engine, and the init container that fills it. */
function weights(terse: TerseRole, all: readonly PlannedRole[], settings: ExpandSettings): readonly Addition[] {
  const { engine } = terse.choice;
  const { modelVolume } = engine.terse;
  const values = valuesOf(terse, all);
  const hostPath = modelVolume.hostPath && fillText(modelVolume.hostPath, values);
  const source = hostPath ? { hostPath: { path: hostPath, type: 'DirectoryOrCreate' } } : { emptyDir: {} };
  const mount = { name: modelVolume.name, mountPath: fillText(modelVolume.mountPath, values) };
  const why: Because = { by: engine.name, because: modelVolume.because };
  const mounts = [...containerPlace(terse), 'volumeMounts'];
  return [
    downloader(engine, values, mount, settings),
    { kind: 'entry', list: mounts, key: 'mountPath', value: { ...mount, readOnly: true }, ...why },
    { kind: 'entry', list: ['spec', 'volumes'], key: 'name', value: { name: modelVolume.name, ...source }, ...why },
  ];
}

function downloader(engine: EngineProfile, values: Values, mount: object, settings: ExpandSettings): Addition {
  const { container: name, image, imagePullPolicy, args, because } = engine.terse.downloader;
  const value = {
    name,
    image: settings.downloaderImage ?? image,
    ...(imagePullPolicy && { imagePullPolicy }),
    args: args.map((text) => fillText(text, values)),
    volumeMounts: [mount],
  };
  return { kind: 'entry', list: ['spec', 'initContainers'], key: 'name', value, by: engine.name, because };
}

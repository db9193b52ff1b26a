import type { AcceleratorProfile, Profiles } from '../profiles/types.js';
import { finding } from './finding.js';
import { envOf, envPath, literalOf } from './reads.js';
import { type EngineRole, engineRule } from './subject.js';

/** Rules about what the accelerator platform does itself: numbering devices, writing annotations, selecting nodes. */

export const devicesAreNotPicked = engineRule({
  code: 'TND-059',
  severity: 'warning',
  title: 'The device plugin alone chooses devices',
  because: 'devices are numbered anew inside the container, so a fixed list names the wrong ones',
  source: 'pd-protocols C-59',
  reads: 'pod',
  *check(engine) {
    for (const name of engine.devices.profile?.visibleDevices ?? []) {
      const value = literalOf(engine, name);
      if (value === undefined || !/^\d+(,\d+)*$/.test(value)) continue;
      yield finding(envPath(engine, name), { saw: value, want: 'nothing', fix: `remove ${name}` });
    }
  },
});

const fromAnnotation = /^metadata\.annotations\['(.+)'\]$/;

export const deviceListIsWritten = engineRule({
  code: 'TND-060',
  severity: 'error',
  title: 'The annotation with the NPU list is one that the platform writes',
  because: 'the variable stays empty, so no device is mounted, or the image exits',
  source: 'pd-protocols C-60',
  reads: 'pod',
  *check(engine, { serving, context }) {
    yield* annotationOf(engine, 'ASCEND_VISIBLE_DEVICES', engine.devices.resource);
    yield* annotationOf(engine, 'AscendRealDevices', 'huawei.com/AscendReal');
    const chosen = envOf(engine, 'ASCEND_VISIBLE_DEVICES')?.valueFrom !== undefined;
    const volcano = (serving.spec.schedulerName ?? 'volcano') === 'volcano' && context.hasVolcano !== false;
    if (!chosen || volcano) return;
    const fix = 'remove ASCEND_VISIBLE_DEVICES: the device plugin mounts the devices';
    const place = { saw: 'a scheduler that is not Volcano', want: 'Volcano, which writes the annotation', fix };
    yield finding(envPath(engine, 'ASCEND_VISIBLE_DEVICES'), place, 'warning');
  },
});

function* annotationOf(engine: EngineRole, name: string, want: string | undefined) {
  const key = fromAnnotation.exec(envOf(engine, name)?.valueFrom?.fieldRef?.fieldPath ?? '')?.[1];
  if (key === undefined || want === undefined || key === want) return;
  yield finding(envPath(engine, name), { saw: key, want, fix: `read annotations['${want}']` });
}

export const platformsAreNotMixed = engineRule({
  code: 'TND-061',
  severity: 'warning',
  title: 'Resource, labels and selectors belong to one NPU platform',
  because: 'no node has both, so the pod stays Pending or is not managed',
  source: 'pd-protocols C-61',
  reads: 'pod',
  *check({ devices, role, spec, path, profiles }) {
    const { labels = {}, annotations = {} } = role.template.metadata ?? {};
    const keys = foreignKeys(devices.profile, profiles);
    const foreign = Object.keys({ ...labels, ...annotations, ...spec.nodeSelector }).find((key) => keys.has(key));
    if (foreign === undefined) return;
    const fix = 'remove it, or ask for the resource of that platform';
    yield finding(path, { saw: foreign, want: `keys of the platform that offers ${devices.resource ?? ''}`, fix });
  },
});

/** Keys that only other platforms for chips of the same vendor know. */
function foreignKeys(own: AcceleratorProfile | undefined, { accelerators }: Profiles): ReadonlySet<string> {
  const others = accelerators.filter(({ vendor }) => vendor === own?.vendor);
  const keys = new Set(others.flatMap(({ platformKeys = [] }) => platformKeys));
  for (const key of own?.platformKeys ?? []) keys.delete(key);
  return keys;
}

import { formatBytes, parseQuantity } from '../../../base/quantity.js';
import { objectAt } from '../../reading/shape.js';
import { applies, because, filledText, mounts, profilesOf, volumeWithMount } from '../subject.js';
import type { Step, Subject } from '../types.js';

/** Files of the node that an accelerator or a connector needs inside the container. */
export const nodeFiles: Step = {
  name: 'node-files',
  additions: (subject) =>
    profilesOf(subject).flatMap((profile) =>
      ('volumes' in profile ? (profile.volumes ?? []) : [])
        .filter(
          ({ name, when, mountPath, insteadOf = [] }) =>
            applies(when, subject) && !mounts(subject, [mountPath, ...insteadOf], name),
        )
        .flatMap((wish) =>
          volumeWithMount(
            subject,
            { name: wish.name, hostPath: { path: filledText(wish.hostPath, subject), type: wish.type } },
            { mountPath: wish.mountPath, readOnly: wish.readOnly },
            because(profile.name, wish),
          ),
        ),
    ),
};

/** What an operator of the platform writes into a ConfigMap, where the user asks for it. */
export const configMaps: Step = {
  name: 'config-maps',
  additions: (subject) =>
    (subject.reading.devices.profile?.configMaps ?? [])
      .filter(({ name, when, mountPath }) => applies(when, subject) && !mounts(subject, [mountPath], name))
      .flatMap((wish) =>
        volumeWithMount(
          subject,
          { name: wish.name, configMap: { name: filledText(wish.configMap, subject) } },
          { mountPath: wish.mountPath },
          because(subject.reading.devices.profile?.name ?? '', wish),
        ),
      ),
};

const volumeName = 'shared-memory';

/** Shared memory, when nothing is mounted at `/dev/shm`; a size that the user chose stands, and a check judges it. */
export const sharedMemory: Step = {
  name: 'shared-memory',
  additions: (subject) => {
    if (mounts(subject, ['/dev/shm'], volumeName)) return [];
    const { profile } = subject.reading.engine;
    const emptyDir = { medium: 'Memory', sizeLimit: sharedMemorySize(subject) };
    return volumeWithMount(
      subject,
      { name: volumeName, emptyDir },
      { mountPath: '/dev/shm' },
      because(profile.name, profile.sharedMemory),
    );
  },
};

/** The profile's size for these devices, but at most half of the container's memory limit, to which it is charged. */
function sharedMemorySize({ reading }: Subject): string {
  const { minimum, perDevice } = reading.engine.profile.sharedMemory;
  const floors = [minimum, reading.devices.profile?.sharedMemory].map((text) => parseQuantity(text ?? '0') ?? 0n);
  const floor = floors.reduce((a, b) => (a > b ? a : b));
  const wanted = (parseQuantity(perDevice) ?? 0n) * BigInt(Math.max(1, reading.devices.count));
  const limit = objectAt(objectAt(reading.container, 'resources'), 'limits')?.['memory'];
  const half = typeof limit === 'string' || typeof limit === 'number' ? (parseQuantity(limit) ?? 0n) / 2n : 0n;
  const size = wanted > floor ? wanted : floor;
  return formatBytes(half > 0n && half < size ? half : size);
}

import type { Volume } from '../../api/kube.js';
import { wholeUnits } from '../../base/quantity.js';
import { finding } from './finding.js';
import { envOf, envPath, isAscendMooncake, isMounted, isUpstreamMooncake, literalOf } from './reads.js';
import { type EngineRole, engineRule, pairRule } from './subject.js';

const gibi = 1024 ** 3;

interface Shm {
  readonly volume: Volume;
  readonly path: string;
  /** Bytes; undefined when there is no limit. */
  readonly limit: number | undefined;
}

function shmOf({ container, spec, path }: EngineRole): Shm | undefined {
  const mount = (container.volumeMounts ?? []).find(({ mountPath }) => mountPath.replace(/\/+$/, '') === '/dev/shm');
  const volume = (spec.volumes ?? []).find(({ name }) => name === mount?.name);
  if (volume?.emptyDir?.medium !== 'Memory') return undefined;
  const limit = wholeUnits(volume.emptyDir.sizeLimit);
  return { volume, path: `${path}.volumes["${volume.name}"].emptyDir.sizeLimit`, limit };
}

export const manyRanksShareMemory = engineRule({
  code: 'TND-046',
  severity: 'error',
  title: 'An engine of several ranks has shared memory',
  because: 'a container has 64 MiB of it by default, and the collective library stops with less than it needs',
  source: 'pd-protocols C-46',
  *check(engine) {
    if (engine.engine.ranksPerPod < 2 || shmOf(engine)) return;
    yield finding(`${engine.containerPath}.volumeMounts`, {
      saw: 'no memory volume at /dev/shm',
      want: 'emptyDir with medium Memory at /dev/shm',
      fix: 'mount one, or remove tandem.dev/expand: off and Tandem adds it',
    });
  },
});

export const sharedMemorySuffices = engineRule({
  code: 'TND-047',
  severity: 'warning',
  title: 'Shared memory is large enough, and not too large',
  because: 'too little stops the collective library, and what is used counts as memory of the container',
  source: 'pd-protocols C-47',
  reads: 'pod',
  *check(engine) {
    const shm = shmOf(engine);
    if (!shm) return;
    const memory = wholeUnits(engine.container.resources?.limits?.['memory']);
    const saw = shm.volume.emptyDir?.sizeLimit;
    const needed = Math.max(2, engine.devices.count);
    if (shm.limit === undefined) {
      if (memory !== undefined) return;
      const want = 'a sizeLimit, or a memory limit of the container';
      yield finding(shm.path, { saw: undefined, want, fix: `set sizeLimit to ${needed}Gi or more` });
    } else if (shm.limit < needed * gibi) {
      yield finding(shm.path, { saw, want: `${needed}Gi or more`, fix: `set sizeLimit to ${needed}Gi or more` });
    } else if (memory !== undefined && shm.limit > memory / 2) {
      yield finding(shm.path, {
        saw,
        want: 'at most half of the memory limit',
        fix: 'raise limits.memory, or lower sizeLimit',
      });
    }
  },
});

export const npuNetworkIsMounted = engineRule({
  code: 'TND-049',
  severity: 'error',
  title: 'An NPU engine sees the addresses of its network cards',
  because: 'without them KV arrives as silent nonsense, or the engine finds no device address',
  source: 'pd-protocols C-49',
  reads: 'pod',
  *check(engine) {
    if (!isAscendMooncake(engine)) return;
    const any = ['/etc/hccn.conf', '/usr/local/Ascend/driver/tools/hccn_tool'].some((path) => isMounted(engine, path));
    if (any) return;
    yield finding(`${engine.containerPath}.volumeMounts`, {
      saw: 'neither /etc/hccn.conf nor /usr/local/Ascend/driver/tools',
      want: 'one of them, from the host',
      fix: 'mount hostPath /etc/hccn.conf, type File, read-only',
    });
  },
});

export const driverIsMounted = engineRule({
  code: 'TND-050',
  severity: 'warning',
  title: 'An NPU engine sees the driver where no container runtime mounts it',
  because: 'its libraries are on the host',
  source: 'pd-protocols C-50',
  reads: 'pod',
  *check(engine, { context }) {
    if (context.hasAscendRuntime !== false || !engine.devices.resource?.startsWith('huawei.com/')) return;
    if (isMounted(engine, '/usr/local/Ascend/driver/lib64')) return;
    const fix = 'mount hostPath /usr/local/Ascend/driver';
    yield finding(`${engine.containerPath}.volumeMounts`, {
      saw: 'no driver mount',
      want: '/usr/local/Ascend/driver',
      fix,
    });
  },
});

const isRdma = (resource: string): boolean => /(^rdma\/|\/rdma|\/efa$|\/hca|\/vnic$|\/roce)/.test(resource);
const rdmaOf = ({ container }: EngineRole): readonly string[] =>
  Object.keys({ ...container.resources?.requests, ...container.resources?.limits }).filter(isRdma);

export const rdmaMayLockMemory = engineRule({
  code: 'TND-051',
  severity: 'warning',
  title: 'An engine that uses RDMA may lock memory',
  because: 'registering memory fails otherwise',
  source: 'pd-protocols C-51',
  reads: 'pod',
  *check(engine) {
    const { capabilities, privileged } = engine.container.securityContext ?? {};
    if (privileged === true || (capabilities?.add ?? []).some((name) => name === 'IPC_LOCK' || name === 'ALL')) return;
    if (rdmaOf(engine).length === 0 && !isUpstreamMooncake(engine)) return;
    yield finding(`${engine.containerPath}.securityContext.capabilities.add`, {
      saw: capabilities?.add?.join(', '),
      want: 'IPC_LOCK',
      fix: 'add IPC_LOCK',
    });
  },
});

export const bothHaveRdma = pairRule({
  code: 'TND-052',
  severity: 'warning',
  title: 'Both roles have the network card, or neither',
  because: 'one end alone falls back to slow TCP or fails',
  source: 'pd-protocols C-52',
  reads: 'pod',
  *check({ prefill, decode }) {
    const [p, d] = [rdmaOf(prefill), rdmaOf(decode)];
    if (p.length > 0 === d.length > 0) return;
    const [without, resource] = p.length > 0 ? [decode, p[0]] : [prefill, d[0]];
    yield finding(`${without.containerPath}.resources.limits`, {
      saw: 'no RDMA resource',
      want: `${resource}, as on the other role`,
      fix: `ask for ${resource} in both roles`,
    });
  },
});

export const hostNetworkResolves = engineRule({
  code: 'TND-056',
  severity: 'warning',
  title: 'A pod on the host network still resolves service names',
  because: 'it uses the resolver of the node otherwise',
  source: 'pd-protocols C-56',
  reads: 'pod',
  *check({ spec, path }) {
    if (spec.hostNetwork !== true || spec.dnsPolicy === 'ClusterFirstWithHostNet') return;
    yield finding(`${path}.dnsPolicy`, { saw: spec.dnsPolicy, want: 'ClusterFirstWithHostNet', fix: 'set dnsPolicy' });
  },
});

export const pairIsNotForcedOntoOneNode = pairRule({
  code: 'TND-057',
  severity: 'warning',
  title: 'NPU pods of a pair are not forced onto one node',
  because: 'two pod IPs look like two servers, so the transfer needs RoCE although the devices are neighbours',
  source: 'pd-protocols C-57',
  reads: 'pod',
  *check({ prefill, decode }) {
    const key = 'kubernetes.io/hostname';
    const [p, d] = [prefill, decode].map(({ spec }) => spec.nodeName ?? spec.nodeSelector?.[key]);
    if (!isAscendMooncake(decode) || p === undefined || p !== d || decode.spec.hostNetwork === true) return;
    yield finding(`${decode.path}.nodeSelector`, {
      saw: d,
      want: 'no fixed node',
      fix: 'remove the node name, or use hostNetwork',
    });
  },
});

export const offlineModelIsMounted = engineRule({
  code: 'TND-058',
  severity: 'warning',
  title: 'A model that may not be downloaded lies on a volume',
  because: 'the engine finds nothing to load',
  source: 'pd-protocols C-58',
  *check(engine) {
    const model = engine.engine.model;
    if (literalOf(engine, 'HF_HUB_OFFLINE') !== '1' || !model?.startsWith('/')) return;
    if (isMounted(engine, model.replace(/\/+$/, ''))) return;
    yield finding(`${engine.containerPath}.volumeMounts`, {
      saw: model,
      want: 'a path under a volume mount',
      fix: `mount the volume with the model at ${model}`,
    });
  },
});

const visibleDevices = [
  'ASCEND_RT_VISIBLE_DEVICES',
  'CUDA_VISIBLE_DEVICES',
  'PHYSICAL_DEVICES',
  'NVIDIA_VISIBLE_DEVICES',
];

export const devicesAreNotPicked = engineRule({
  code: 'TND-059',
  severity: 'warning',
  title: 'The device plugin alone chooses devices',
  because: 'devices are numbered anew inside the container, so a fixed list names the wrong ones',
  source: 'pd-protocols C-59',
  reads: 'pod',
  *check(engine) {
    if (engine.devices.resource === undefined) return;
    for (const name of visibleDevices) {
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

const mindClusterKeys = [
  'ring-controller.atlas',
  'fault-scheduling',
  'pod-rescheduling',
  'sp-block',
  'accelerator-type',
  'host-arch',
];

export const platformsAreNotMixed = engineRule({
  code: 'TND-061',
  severity: 'warning',
  title: 'Resource, labels and selectors belong to one NPU platform',
  because: 'no node has both, so the pod stays Pending or is not managed',
  source: 'pd-protocols C-61',
  reads: 'pod',
  *check({ devices, role, spec, path }) {
    const { labels = {}, annotations = {} } = role.template.metadata ?? {};
    const foreign = Object.keys({ ...labels, ...annotations, ...spec.nodeSelector }).find(
      foreignTo(devices.resource ?? ''),
    );
    if (foreign === undefined) return;
    const fix = 'remove it, or ask for the resource of that platform';
    yield finding(path, { saw: foreign, want: `keys of the platform that offers ${devices.resource ?? ''}`, fix });
  },
});

/** Whether a key belongs to another platform than the one whose resource is asked for. */
function foreignTo(resource: string): (key: string) => boolean {
  if (resource.startsWith('huawei.com/ascend-')) return (key) => mindClusterKeys.includes(key);
  if (resource.startsWith('huawei.com/Ascend')) return (key) => key === 'accelerator/huawei-npu';
  return () => false;
}

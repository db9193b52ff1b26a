import type { Volume } from '../../api/kube.js';
import { asText } from '../../base/json.js';
import { withoutSlash } from '../../base/path.js';
import { wholeUnits } from '../../base/quantity.js';
import type { WantedVolume } from '../profiles/types.js';
import { listAt, objectAt, textAt, textsAt } from '../reading/shape.js';
import { finding } from './finding.js';
import {
  extraOf,
  integerOf,
  isAscendMooncake,
  isMounted,
  isOffloading,
  isUpstreamMooncake,
  literalOf,
  networkCardsOf,
  usesNetworkCard,
} from './reads.js';
import { type EngineRole, engineRule, instancesOf, pairRule } from './subject.js';

const gibi = 1024 ** 3;

interface Shm {
  readonly volume: Volume;
  readonly path: string;
  /** Bytes; undefined when there is no limit. */
  readonly limit: number | undefined;
}

function shmOf({ container, spec, path }: EngineRole): Shm | undefined {
  const mount = (container.volumeMounts ?? []).find(({ mountPath }) => withoutSlash(mountPath) === '/dev/shm');
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

export const offloadedKvFits = engineRule({
  code: 'TND-048',
  severity: 'error',
  title: 'Shared memory holds the KV that is offloaded to it',
  because: 'the engine stops at start-up when it cannot reserve it',
  source: 'pd-protocols C-48',
  *check(engine) {
    const bytes = integerOf(extraOf(engine, 'cpu_bytes_to_use'));
    const shm = shmOf(engine);
    if (!isOffloading(engine) || bytes === undefined) return;
    const { ranksPerPod, tensorParallel, pipelineParallel } = engine.engine;
    const needed = bytes * Math.max(1, Math.floor(ranksPerPod / (tensorParallel * pipelineParallel)));
    if (!shm || shm.limit === undefined || shm.limit > needed) return;
    const fix = 'raise sizeLimit, or lower "cpu_bytes_to_use", which each engine of the pod takes';
    yield finding(shm.path, { saw: shm.volume.emptyDir?.sizeLimit, want: `more than ${needed} bytes`, fix });
  },
});

export const rpcPathsAreOwn = engineRule({
  code: 'TND-043',
  severity: 'warning',
  title: 'Engines that share a folder of the host have sockets of their own',
  because: 'two engines with one socket path answer each other',
  source: 'pd-protocols C-43',
  *check(engine, subject) {
    const socket = socketOf(engine);
    const sharing = subject.engines.filter((other) => socketOf(other)?.path === socket?.path);
    if (!socket || sharing.reduce((sum, other) => sum + instancesOf(other, subject), 0) < 2) return;
    const saw = `${socket.name} with ${socket.folder} on the host`;
    const fix = `use an emptyDir for ${socket.folder}`;
    yield finding(engine.connector?.path ?? engine.containerPath, { saw, want: 'a folder per pod', fix });
  },
});

/** Where an engine opens its socket, when that is a folder of the node; `path` is equal where two engines meet. */
function socketOf(engine: EngineRole) {
  const key = ['lookup_rpc_port', 'lmcache_rpc_port'].find((one) => extraOf(engine, one) !== undefined);
  const folder = withoutSlash(literalOf(engine, 'VLLM_RPC_BASE_PATH') ?? '/tmp');
  const host = hostFolder(engine, folder);
  if (key === undefined || host === undefined) return undefined;
  const name = `${key} ${asText(extraOf(engine, key))}`;
  return { name, folder, path: `${host} ${name}` };
}

/** The folder of the node that a folder of the container is, shared by all pods there; undefined when it is none. */
function hostFolder({ container, spec }: EngineRole, folder: string): string | undefined {
  for (const { name, mountPath } of container.volumeMounts ?? []) {
    const at = withoutSlash(mountPath);
    const volume = (spec.volumes ?? []).find((other) => other.name === name);
    if (!volume?.hostPath || (folder !== at && !folder.startsWith(`${at}/`))) continue;
    return `${withoutSlash(volume.hostPath.path)}${folder.slice(at.length)}`;
  }
  return undefined;
}

/** Files of the node that the pod's accelerator cannot do without, and that neither it nor the container runtime mounts. */
function missingFiles(engine: EngineRole, runtimeMounts: boolean): readonly WantedVolume[] {
  const wanted = (engine.devices.profile?.volumes ?? []).filter(({ required }) => required);
  return wanted.filter(
    (file) =>
      (file.when?.runtimeMounts ?? true) === runtimeMounts &&
      isForConnector(file, engine) &&
      !placesOf(file).some((path) => isMounted(engine, path)),
  );
}

const placesOf = ({ mountPath, insteadOf = [] }: WantedVolume): readonly string[] => [mountPath, ...insteadOf];
const isForConnector = ({ when }: WantedVolume, { connector }: EngineRole): boolean =>
  when?.connectors === undefined || when.connectors.includes(connector?.profile?.name ?? '');

function* toMount(engine: EngineRole, files: readonly WantedVolume[]) {
  for (const file of files) {
    yield finding(`${engine.containerPath}.volumeMounts`, {
      saw: `none of ${placesOf(file).join(', ')}`,
      want: 'one of them, from the host',
      fix: `mount hostPath ${file.hostPath}, type ${file.type}, read-only`,
    });
  }
}

export const npuNetworkIsMounted = engineRule({
  code: 'TND-049',
  severity: 'error',
  title: 'An NPU engine sees the addresses of its network cards',
  because: 'without them KV arrives as silent nonsense, or the engine finds no device address',
  source: 'pd-protocols C-49',
  reads: 'pod',
  *check(engine) {
    yield* toMount(engine, missingFiles(engine, true));
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
    if (context.hasAscendRuntime === false) yield* toMount(engine, missingFiles(engine, false));
  },
});

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
    if (!usesRdma(engine)) return;
    yield finding(`${engine.containerPath}.securityContext.capabilities.add`, {
      saw: capabilities?.add?.join(', '),
      want: 'IPC_LOCK',
      fix: 'add IPC_LOCK',
    });
  },
});

/** It has a network card, its connector works over one, or UCX is told to use transports or cards of InfiniBand. */
const usesRdma = (engine: EngineRole): boolean =>
  usesNetworkCard(engine) ||
  isUpstreamMooncake(engine) ||
  /(^|,)(ib|rc|ud|dc)(_|,|$)/.test(literalOf(engine, 'UCX_TLS') ?? '') ||
  /(^|,)mlx\d/.test(literalOf(engine, 'UCX_NET_DEVICES') ?? '');

export const bothHaveRdma = pairRule({
  code: 'TND-052',
  severity: 'warning',
  title: 'Both roles have the network card, or neither',
  because: 'one end alone falls back to slow TCP or fails',
  source: 'pd-protocols C-52',
  reads: 'pod',
  *check({ prefill, decode }) {
    const [p, d] = [networkCardsOf(prefill), networkCardsOf(decode)];
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

const hostname = 'kubernetes.io/hostname';

/** The one node that a pod may run on; undefined where it may choose. */
function fixedNode({ spec }: EngineRole): string | undefined {
  const required = objectAt(objectAt(spec.affinity, 'nodeAffinity'), 'requiredDuringSchedulingIgnoredDuringExecution');
  const [term, ...others] = listAt(required, 'nodeSelectorTerms');
  const names = listAt(term, 'matchExpressions')
    .filter((one) => textAt(one, 'key') === hostname && textAt(one, 'operator') === 'In')
    .map((one) => textsAt(one, 'values'));
  const only = others.length === 0 && names.length === 1 && names[0]?.length === 1 ? names[0][0] : undefined;
  return spec.nodeName ?? spec.nodeSelector?.[hostname] ?? only;
}

export const pairIsNotForcedOntoOneNode = pairRule({
  code: 'TND-057',
  severity: 'warning',
  title: 'NPU pods of a pair are not forced onto one node',
  because: 'two pod IPs look like two servers, so the transfer needs RoCE although the devices are neighbours',
  source: 'pd-protocols C-57',
  reads: 'pod',
  *check({ prefill, decode }) {
    const [p, d] = [prefill, decode].map(fixedNode);
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
    if (isMounted(engine, withoutSlash(model))) return;
    yield finding(`${engine.containerPath}.volumeMounts`, {
      saw: model,
      want: 'a path under a volume mount',
      fix: `mount the volume with the model at ${model}`,
    });
  },
});

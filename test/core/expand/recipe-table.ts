import type { ModelServing } from '../../../src/api/types.js';
import { defaultExpandSettings, type ExpandSettings } from '../../../src/core/expand/types.js';
import { servingOf } from './samples.js';

/** What a role says in the terse form; `pods` counts the entry and its workers. */
export interface Said {
  readonly tp?: number;
  readonly dp?: number;
  readonly pods?: number;
  readonly args?: string;
  readonly spec?: object;
}

export interface Recipe {
  readonly source: string;
  readonly title: string;
  readonly accelerator: string;
  readonly engine: string;
  readonly connector: string;
  readonly prefill?: Said;
  readonly decode?: Said;
  /** `tandem.dev/store` and `tandem.dev/network`. */
  readonly store?: string;
  readonly network?: string;
  /** The nodes have no container runtime that mounts the driver. */
  readonly plainRuntime?: true;
  /** The connector that the result reads as, where it is not the one that was asked for. */
  readonly reads?: string;
}

const nothing: Said = {};

/**
 * One recipe for every engine, connector and accelerator that pd-protocols B puts together, and for every way to spread them
 * over pods. Every file `test/fixtures/expand/recipes/NAME.yaml` was read line by line against the sections that its recipe names.
 */
export const recipes: Readonly<Record<string, Recipe>> = {
  'vllm-nixl': {
    source: 'B.0, B.2',
    title: 'NIXL on NVIDIA: the pod address on the side channel, larger decode',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 1 },
    decode: { tp: 2 },
  },
  'vllm-nixl-amd': {
    source: 'B.1, B.2',
    title: 'the same on AMD',
    ...{ accelerator: 'amd', engine: 'vllm', connector: 'nixl' },
  },
  'vllm-nixl-push': {
    source: 'A.1.7, B.2',
    title: 'NIXL push: the router knows the engine id beforehand',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl-push' },
  },
  'vllm-mooncake': {
    source: 'A.2, B.3',
    title: 'upstream Mooncake: bootstrap port on both, declared on prefill',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'mooncake' },
    network: 'rdma/ib',
  },
  'vllm-ascend-mooncake-v1-mindcluster': {
    source: 'B.1.2, B.1.4, B.4',
    title: 'MooncakeConnectorV1 with MindCluster, larger prefill',
    ...{ accelerator: 'ascend910', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 8, dp: 2 },
    decode: { tp: 2, dp: 8 },
  },
  'vllm-ascend-mooncake-v1-cce': {
    source: 'B.1, B.1.4, B.4',
    title: 'MooncakeConnectorV1 on CCE',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-mooncake-hybrid': {
    source: 'A.3, B.4',
    title: 'MooncakeHybridConnector',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'mooncake-hybrid' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-mooncake-layerwise': {
    source: 'A.4, B.4',
    title: 'MooncakeLayerwiseConnector',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'mooncake-layerwise' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-310p': {
    source: 'B.1, B.1.1, B.1.2',
    title: 'inference cards: the label, no NPU network files',
    ...{ accelerator: 'ascend310p', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-store': {
    source: 'A.5, B.5',
    title: 'AscendStore alone: no side, two plain calls',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'ascend-store' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
    store: 'mooncake-master.kv:50088',
  },
  'vllm-ascend-mooncake-v1-store': {
    source: 'A.5, A.7, B.5',
    title: 'MultiConnector: the first peer-to-peer connector counts',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'mooncake-v1-store' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
    reads: 'mooncake-v1',
    store: 'mooncake-master.kv:50088',
  },
  'vllm-lmcache-pd': {
    source: 'A.6, B.6',
    title: 'LMCache sends from prefill to decode: two ports for each rank',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'lmcache-pd' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
    store: 'lmcache-proxy.kv',
  },
  'vllm-lmcache': {
    source: 'A.6, B.6',
    title: 'LMCache with a shared store',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'lmcache' },
    store: 'lm://lmcache-server.kv:65432',
  },
  'vllm-p2p-nccl': {
    source: 'A.7, B.8',
    title: 'P2P-NCCL: a port for each rank',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'p2p-nccl' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-moriio': {
    source: 'A.1.8, B.9',
    title: 'MoRI-IO on AMD',
    ...{ accelerator: 'amd', engine: 'vllm', connector: 'moriio' },
  },
  'vllm-shared-storage': {
    source: 'A.7',
    title: 'a shared file system, never created by a node',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'shared-storage' },
  },
  'vllm-offloading': {
    source: 'A.7',
    title: 'offloading with a peer-to-peer tier at the pod address',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'offloading' },
  },
  'sglang-mooncake': {
    source: 'A.8, B.7',
    title: 'SGLang over Mooncake',
    ...{ accelerator: 'nvidia', engine: 'sglang', connector: 'sglang-mooncake' },
    network: 'rdma/ib',
  },
  'sglang-nixl': {
    source: 'A.8, B.7',
    title: 'SGLang over NIXL',
    ...{ accelerator: 'nvidia', engine: 'sglang', connector: 'sglang-nixl' },
  },
  'sglang-ascend': {
    source: 'A.8, B.7',
    title: 'SGLang on NPUs',
    ...{ accelerator: 'ascend-1980', engine: 'sglang', connector: 'sglang-ascend' },
    prefill: { tp: 4 },
    decode: { tp: 4 },
    store: 'tcp://memfabric-store.kv:24669',
  },
  'vllm-nixl-pipeline-of-pods': {
    source: 'B.2, C-37',
    title: 'one replica over two pods: ranks from WORKER_INDEX, the meeting point at the entry',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 8, pods: 2, args: '--pipeline-parallel-size 2' },
    decode: { tp: 8, pods: 2, args: '--pipeline-parallel-size 2' },
  },
  'vllm-nixl-data-parallel-pods': {
    source: 'B.2, C-37, C-38',
    title: 'data parallel over pods: the entry balances, headless workers continue its ranks',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 1, dp: 2, pods: 2 },
    decode: { tp: 2, dp: 12, pods: 3 },
  },
  'vllm-ascend-data-parallel-pods': {
    source: 'B.4, C-37',
    title: 'global sizes in the connector, local ranks in each pod, 16 NPUs a node',
    ...{ accelerator: 'ascend-1980', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 8, dp: 2 },
    decode: { tp: 2, dp: 16, pods: 2 },
  },
  'vllm-nixl-host-network': {
    source: 'B.9, C-27',
    title: 'on the host network every port of a range is declared, and each role has a block of its own',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 2, spec: { hostNetwork: true } },
    decode: { tp: 2, dp: 4, args: '--port 8100', spec: { hostNetwork: true } },
  },
  'vllm-ascend-host-network': {
    source: 'B.4, B.9, C-26, C-27',
    title: 'kv_port blocks of two roles that may share a node do not overlap, nor meet the random range',
    ...{ accelerator: 'ascend910', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 4, spec: { hostNetwork: true } },
    decode: { tp: 2, dp: 2, args: '--port 8100', spec: { hostNetwork: true } },
  },
  'vllm-external-balance': {
    source: 'A.1.4, B.9, C-36',
    title: 'ranks balanced from outside: a port and a probe for each',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 1, dp: 2, args: '--data-parallel-external-lb --data-parallel-size-local 2' },
    decode: { tp: 1, dp: 4, args: '--data-parallel-external-lb --data-parallel-size-local 4' },
  },
  'sglang-pods': {
    source: 'B.7',
    title: 'SGLang over pods: attention ranks inside the tensor-parallel world',
    ...{ accelerator: 'nvidia', engine: 'sglang', connector: 'sglang-mooncake' },
    prefill: { tp: 16, pods: 2 },
    decode: { tp: 16, dp: 16, pods: 2 },
    network: 'rdma/ib',
  },
  'vllm-nixl-push-amd': {
    source: 'B.1, A.1.7, B.2',
    title: 'nixl-push on AMD',
    ...{ accelerator: 'amd', engine: 'vllm', connector: 'nixl-push' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-offloading-amd': {
    source: 'B.1, A.7',
    title: 'offloading on AMD',
    ...{ accelerator: 'amd', engine: 'vllm', connector: 'offloading' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-shared-storage-amd': {
    source: 'B.1, A.7',
    title: 'shared-storage on AMD',
    ...{ accelerator: 'amd', engine: 'vllm', connector: 'shared-storage' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-p2p-nccl-amd': {
    source: 'B.1, B.8',
    title: 'p2p-nccl on AMD',
    ...{ accelerator: 'amd', engine: 'vllm', connector: 'p2p-nccl' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-mooncake-hybrid-mindcluster': {
    source: 'B.1.2, B.4',
    title: 'mooncake-hybrid with MindCluster',
    ...{ accelerator: 'ascend910', engine: 'vllm-ascend', connector: 'mooncake-hybrid' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-mooncake-layerwise-mindcluster': {
    source: 'B.1.2, B.4',
    title: 'mooncake-layerwise with MindCluster',
    ...{ accelerator: 'ascend910', engine: 'vllm-ascend', connector: 'mooncake-layerwise' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'vllm-ascend-store-mindcluster': {
    source: 'B.1.2, B.5',
    title: 'AscendStore with MindCluster',
    ...{ accelerator: 'ascend910', engine: 'vllm-ascend', connector: 'ascend-store' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
    store: 'mooncake-master.kv:50088',
  },
  'vllm-ascend-mooncake-v1-store-mindcluster': {
    source: 'B.1.2, B.5',
    title: 'MultiConnector with MindCluster',
    ...{ accelerator: 'ascend910', engine: 'vllm-ascend', connector: 'mooncake-v1-store' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
    reads: 'mooncake-v1',
    store: 'mooncake-master.kv:50088',
  },
  'vllm-ascend-310-cce': {
    source: 'B.1, B.1.1',
    title: 'inference cards on CCE: no label of MindCluster',
    ...{ accelerator: 'ascend-310', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'sglang-mooncake-amd': {
    source: 'B.1, B.7',
    title: 'SGLang over Mooncake on AMD',
    ...{ accelerator: 'amd', engine: 'sglang', connector: 'sglang-mooncake' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
    network: 'rdma/ib',
  },
  'sglang-nixl-amd': {
    source: 'B.1, B.7',
    title: 'SGLang over NIXL on AMD',
    ...{ accelerator: 'amd', engine: 'sglang', connector: 'sglang-nixl' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
  },
  'sglang-ascend-mindcluster': {
    source: 'B.1.2, B.7',
    title: 'SGLang on NPUs with MindCluster',
    ...{ accelerator: 'ascend910', engine: 'sglang', connector: 'sglang-ascend' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
    store: 'tcp://memfabric-store.kv:24669',
  },
  'sglang-ascend-pods': {
    source: 'B.7',
    title: 'SGLang on NPUs over pods',
    ...{ accelerator: 'ascend-1980', engine: 'sglang', connector: 'sglang-ascend' },
    prefill: { tp: 32, pods: 2 },
    decode: { tp: 32, dp: 32, pods: 2 },
    store: 'tcp://memfabric-store.kv:24669',
  },
  'sglang-nixl-pods': {
    source: 'B.7',
    title: 'SGLang over NIXL, over pods',
    ...{ accelerator: 'nvidia', engine: 'sglang', connector: 'sglang-nixl' },
    prefill: { tp: 16, pods: 2 },
    decode: { tp: 16, pods: 2 },
  },
  'vllm-mooncake-data-parallel-pods': {
    source: 'A.2, B.3, C-37',
    title: 'upstream Mooncake over pods: the bootstrap server is on the entry of prefill',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'mooncake' },
    prefill: { tp: 1, dp: 2, pods: 2 },
    decode: { tp: 1, dp: 2, pods: 2 },
    network: 'rdma/ib',
  },
  'vllm-nixl-pipeline-of-pods-amd': {
    source: 'B.1, B.2, C-37',
    title: 'one replica over two pods on AMD',
    ...{ accelerator: 'amd', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 8, pods: 2, args: '--pipeline-parallel-size 2' },
    decode: { tp: 8, pods: 2, args: '--pipeline-parallel-size 2' },
  },
  'vllm-ascend-pipeline-of-pods': {
    source: 'B.4, C-15, C-37',
    title: 'prefill as a pipeline over two pods: its depth is in both configurations',
    ...{ accelerator: 'ascend910', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 8, pods: 2, args: '--pipeline-parallel-size 2' },
    decode: { tp: 8 },
  },
  'vllm-nixl-rdma': {
    source: 'B.1, B.2, C-51, C-52',
    title: 'a network card for both roles, of the name that the cluster gives it',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'nixl' },
    prefill: { tp: 1 },
    decode: { tp: 1 },
    network: 'rdma/ib',
  },
  'vllm-p2p-nccl-rdma': {
    source: 'B.1, B.8, C-51',
    title: 'a network card brings the capability that it takes',
    ...{ accelerator: 'nvidia', engine: 'vllm', connector: 'p2p-nccl' },
    prefill: { tp: 1 },
    decode: { tp: 1 },
    network: 'rdma/hca_shared_devices_a=2',
  },
  'vllm-ascend-plain-runtime': {
    source: 'B.1.4, C-50',
    title: 'nodes without Ascend Docker Runtime: the driver is mounted from the node',
    ...{ accelerator: 'ascend910', engine: 'vllm-ascend', connector: 'mooncake-v1' },
    prefill: { tp: 2 },
    decode: { tp: 2 },
    plainRuntime: true,
  },
};

export const settingsOf = ({ plainRuntime }: Recipe): ExpandSettings =>
  plainRuntime ? { ...defaultExpandSettings, runtimeMounts: false } : defaultExpandSettings;

/** The recipe in the terse form. */
export function terseOf(recipe: Recipe): ModelServing {
  const role = (name: 'prefill' | 'decode') => {
    const { tp, dp, pods = 1, args, spec } = recipe[name] ?? nothing;
    const sizes = { 'tensor-parallel': tp, 'data-parallel': dp, 'engine-args': args };
    const said = Object.entries(sizes).filter(([, value]) => value !== undefined);
    const annotations = Object.fromEntries(said.map(([key, value]) => [`tandem.dev/${key}`, String(value)]));
    return { name, workerReplicas: pods - 1, entryTemplate: { metadata: { annotations }, ...(spec && { spec }) } };
  };
  const { accelerator, engine, connector, store, network } = recipe;
  const annotations = {
    model: 'org/model',
    accelerator,
    engine,
    connector,
    ...(store && { store }),
    ...(network && { network }),
  };
  return servingOf(
    JSON.stringify([role('prefill'), role('decode')]),
    Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`tandem.dev/${key}`, value])),
  );
}

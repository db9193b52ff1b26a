import type { Recipe } from './recipe.js';

/** SGLang on every accelerator. */
export const sglangRecipes: Readonly<Record<string, Recipe>> = {
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
  'sglang-pods': {
    source: 'B.7',
    title: 'SGLang over pods: attention ranks inside the tensor-parallel world',
    ...{ accelerator: 'nvidia', engine: 'sglang', connector: 'sglang-mooncake' },
    prefill: { tp: 16, pods: 2 },
    decode: { tp: 16, dp: 16, pods: 2 },
    network: 'rdma/ib',
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
};

/** Servings for rule tests: a correct pair, written as data, and small edits of it. */
import type { ModelServing } from '../../../src/api/types.js';

type Flags = Record<string, string | true>;

export interface RoleDraft {
  name: string;
  image: string;
  command: string[] | undefined;
  flags: Flags;
  config: Record<string, unknown> | undefined;
  extra: Record<string, unknown>;
  env: Record<string, unknown>;
  container: Record<string, unknown>;
  pod: Record<string, unknown>;
  role: Record<string, unknown>;
  metadata: Record<string, unknown>;
}

export interface Draft {
  metadata: Record<string, unknown>;
  spec: Record<string, unknown>;
  template: Record<string, unknown>;
  prefill: RoleDraft;
  decode: RoleDraft;
}

export type Edit = (draft: Draft) => unknown;
export type Base = 'gpu' | 'npu' | 'sglang';

const probe = { httpGet: { path: '/health', port: 8000 }, periodSeconds: 10, failureThreshold: 180 };
const shm = { volumes: [{ name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '8Gi' } }] };

function role(name: 'prefill' | 'decode', base: Base): RoleDraft {
  const kvRole = name === 'prefill' ? 'kv_producer' : 'kv_consumer';
  const resource = base === 'npu' ? 'huawei.com/ascend-1980' : 'nvidia.com/gpu';
  const devices = base === 'npu' ? '2' : '1';
  const common = {
    name,
    command: undefined,
    extra: {},
    container: {
      resources: { limits: { [resource]: devices, memory: '64Gi' } },
      volumeMounts: [{ name: 'shm', mountPath: '/dev/shm' }],
      startupProbe: probe,
      livenessProbe: { ...probe, failureThreshold: 3 },
    },
    pod: { ...shm },
    role: {},
    metadata: {},
  };
  if (base === 'sglang') {
    const flags = {
      'model-path': 'Qwen/Qwen3-0.6B',
      'served-model-name': 'qwen',
      host: '0.0.0.0',
      port: '8000',
      'disaggregation-mode': name,
    };
    return {
      ...common,
      container: {
        ...common.container,
        resources: { limits: { ...common.container.resources.limits, 'rdma/ib': '1' } },
        securityContext: { capabilities: { add: ['IPC_LOCK'] } },
      },
      image: 'lmsysorg/sglang:v0.5.5',
      command: ['python3', '-m', 'sglang.launch_server'],
      flags,
      config: undefined,
      env: {},
    };
  }
  if (base === 'gpu') {
    const flags = { model: 'Qwen/Qwen3-0.6B', 'served-model-name': 'qwen', port: '8000' };
    const env = { VLLM_NIXL_SIDE_CHANNEL_HOST: '$(POD_IP)' };
    return {
      ...common,
      image: 'vllm/vllm-openai:v0.12.0',
      flags,
      config: { kv_connector: 'NixlConnector', kv_role: kvRole },
      env,
    };
  }
  const size = { tp_size: 2, dp_size: 1 };
  return {
    ...common,
    image: 'quay.io/ascend/vllm-ascend:v0.13.0',
    command: ['vllm', 'serve'],
    flags: {
      model: 'deepseek-ai/DeepSeek-V2-Lite',
      'served-model-name': 'ds',
      port: '8000',
      'tensor-parallel-size': '2',
    },
    config: { kv_connector: 'MooncakeConnectorV1', kv_role: kvRole, kv_port: '36000' },
    extra: { prefill: size, decode: size },
    env: {},
    container: {
      ...common.container,
      volumeMounts: [...common.container.volumeMounts, { name: 'hccn', mountPath: '/etc/hccn.conf' }],
    },
  };
}

export function draft(base: Base, ...edits: readonly Edit[]): ModelServing {
  const made: Draft = structuredClone({
    metadata: { name: 'demo', namespace: 'default' },
    spec: { schedulerName: 'volcano', replicas: 1, recoveryPolicy: 'ServingGroupRecreate' },
    template: {},
    prefill: role('prefill', base),
    decode: role('decode', base),
  });
  for (const edit of edits) edit(made);
  const roles = [made.prefill, made.decode].map(written);
  const serving: unknown = {
    apiVersion: 'workload.serving.volcano.sh/v1alpha1',
    kind: 'ModelServing',
    metadata: made.metadata,
    spec: { ...made.spec, template: { ...made.template, roles } },
  };
  return serving as ModelServing;
}

function written(one: RoleDraft): unknown {
  const args = Object.entries(one.flags).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, value],
  );
  if (one.config) {
    const extra = Object.keys(one.extra).length > 0 ? { kv_connector_extra_config: one.extra } : {};
    args.push('--kv-transfer-config', JSON.stringify({ ...one.config, ...extra }));
  }
  const env = Object.entries(one.env).map(([name, value]) =>
    typeof value === 'string' ? { name, value } : { name, ...(value as object) },
  );
  const container = {
    name: 'engine',
    image: one.image,
    ...(one.command && { command: one.command }),
    args,
    env,
    ...one.container,
  };
  return {
    name: one.name,
    replicas: 1,
    workerReplicas: 0,
    ...one.role,
    entryTemplate: { metadata: one.metadata, spec: { containers: [container], ...one.pod } },
  };
}

/** The same edit on both roles. */
export const both =
  (edit: (role: RoleDraft) => unknown): Edit =>
  ({ prefill, decode }) => [edit(prefill), edit(decode)];

/** Profiles are data (`config/profiles/*.yaml`): a new chip, engine or connector is a new file, not code. */
export interface Profiles {
  readonly accelerators: readonly AcceleratorProfile[];
  readonly engines: readonly EngineProfile[];
  readonly connectors: readonly ConnectorProfile[];
  /** Hash of the content of all files: what a ModelServing is pinned to. */
  readonly revision: string;
}

/** A piece of a pod that a profile asks for, in Kubernetes' own spelling, with the reason it is needed. */
export interface Wanted<T> {
  readonly value: T;
  readonly because: string;
  readonly source?: string;
}

export interface AcceleratorProfile {
  readonly kind: 'accelerator';
  readonly name: string;
  readonly vendor: string;
  /** Extended resource names that mean this accelerator. */
  readonly resources: readonly string[];
  readonly env: readonly Wanted<{ readonly name: string; readonly value?: string; readonly fieldPath?: string }>[];
  readonly volumes: readonly Wanted<{
    readonly name: string;
    readonly hostPath: string;
    readonly type: string;
    readonly mountPath: string;
    readonly readOnly: boolean;
  }>[];
  readonly allowedCounts?: readonly number[];
}

export interface EngineProfile {
  readonly kind: 'engine';
  readonly name: string;
  readonly family: 'vllm' | 'sglang';
  readonly [more: string]: unknown;
}

export interface ConnectorProfile {
  readonly kind: 'connector';
  readonly name: string;
  /** `kv_connector` values that mean this connector. */
  readonly connectors: readonly string[];
  /** What the router speaks for it. */
  readonly dialect: string;
  readonly [more: string]: unknown;
}
